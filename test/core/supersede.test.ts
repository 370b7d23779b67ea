import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Intake } from '../../src/core/intake.ts';
import { lineOf, type Run } from '../../src/core/run.ts';
import { judgeLine, supersedes } from '../../src/core/schedule/supersede.ts';
import { makeRun } from '../support/make.ts';

type HeadIntake = Intake & { readonly kind: 'head' };

const repo = { id: 10, owner: 'octo', name: 'hello' };
const sha = (letter: string): string => letter.repeat(40);

function intakeOf(changes: Partial<HeadIntake> = {}): HeadIntake {
  return {
    kind: 'head',
    eventName: 'push',
    sha: sha('a'),
    trust: 'T2',
    event: {},
    repo,
    headRef: 'refs/heads/topic',
    headRepoId: repo.id,
    prNumber: null,
    baseRef: null,
    defaultBranch: 'main',
    actor: 'mona',
    id: 1,
    deliveryId: 'd',
    receivedAt: new Date(0),
    tries: 0,
    ...changes,
  };
}

const runOn = (intake: HeadIntake, id: number): Run =>
  makeRun({ id, repo: intake.repo, sha: intake.sha, line: lineOf(intake.headRepoId, intake.headRef, intake.prNumber) });

describe('judgeLine', () => {
  it('takes the head that the forge reports for the newest, and ends the runs of other heads', () => {
    const old = runOn(intakeOf({ sha: sha('b') }), 1);
    const same = runOn(intakeOf(), 2);
    expect(judgeLine(intakeOf(), sha('a'), null, [old, same])).toEqual({ kind: 'newest', ends: [old] });
  });

  it('calls an event stale whose commit is no longer the head, whatever came last', () => {
    expect(judgeLine(intakeOf({ id: 9 }), sha('b'), { id: 9, sha: sha('a') }, [])).toEqual({
      kind: 'stale',
      newerSha: sha('b'),
    });
  });

  it('goes by order of receipt where the forge reports no head', () => {
    expect(judgeLine(intakeOf({ id: 1 }), null, { id: 2, sha: sha('b') }, [])).toEqual({
      kind: 'stale',
      newerSha: sha('b'),
    });
    expect(judgeLine(intakeOf({ id: 3 }), null, { id: 3, sha: sha('a') }, [])).toEqual({ kind: 'newest', ends: [] });
  });

  it('lets the default branch and tags run side by side', () => {
    const main = intakeOf({ headRef: 'refs/heads/main' });
    expect(judgeLine(main, sha('b'), { id: 9, sha: sha('b') }, [runOn({ ...main, sha: sha('c') }, 1)])).toEqual({
      kind: 'newest',
      ends: [],
    });
    expect(supersedes(intakeOf({ headRef: 'refs/tags/v1' }))).toBe(false);
  });

  it("does not take a fork's default branch for the repository's own", () => {
    expect(supersedes(intakeOf({ headRef: 'refs/heads/main', headRepoId: 77, prNumber: 5 }))).toBe(true);
    expect(supersedes(intakeOf({ headRef: 'refs/heads/main', headRepoId: null, prNumber: 5 }))).toBe(true);
  });

  it('leaves runs of other lines and other repositories alone', () => {
    const others = [
      runOn(intakeOf({ sha: sha('b'), headRef: 'refs/heads/other' }), 1),
      runOn(intakeOf({ sha: sha('b'), headRepoId: 77, prNumber: 5 }), 2),
      { ...runOn(intakeOf({ sha: sha('b') }), 3), repo: { ...repo, id: 11 } },
    ];
    expect(judgeLine(intakeOf(), sha('a'), null, others)).toEqual({ kind: 'newest', ends: [] });
  });
});

/** Lines whose names look alike on purpose. */
const lines = [
  { headRepoId: 10, headRef: 'refs/heads/topic', prNumber: null },
  { headRepoId: 77, headRef: 'refs/heads/topic', prNumber: 5 },
  { headRepoId: 78, headRef: 'refs/heads/topic', prNumber: 6 },
  { headRepoId: 77, headRef: 'refs/heads/main', prNumber: 7 },
  { headRepoId: null, headRef: 'refs/heads/topic', prNumber: 8 },
  { headRepoId: null, headRef: 'refs/heads/topic', prNumber: 9 },
  { headRepoId: 10, headRef: 'refs/heads/main', prNumber: null },
  { headRepoId: 10, headRef: 'refs/tags/topic', prNumber: null },
] as const;

interface History {
  /** Which line each push went to; the position in the list is the commit. */
  readonly pushes: readonly number[];
  /** What the deliveries report, by position in `pushes`: out of order, doubled, but none lost. */
  readonly deliveries: readonly number[];
  /** How many pushes the forge has seen when each delivery is planned, as a share; at least the delivered ones. */
  readonly delays: readonly number[];
}

const histories: fc.Arbitrary<History> = fc
  .array(fc.nat(lines.length - 1), { minLength: 1, maxLength: 12 })
  .chain((pushes) => {
    const all = pushes.map((_, index) => index);
    const extra = fc.array(fc.nat(pushes.length - 1), { maxLength: 6 });
    const deliveries = extra.chain((doubled) =>
      fc
        .shuffledSubarray([...all, ...doubled.map((index) => index + 1000)], {
          minLength: pushes.length + doubled.length,
        })
        .map((list) => list.map((index) => index % 1000)),
    );
    return fc.record({
      pushes: fc.constant(pushes),
      deliveries,
      delays: fc.array(fc.nat(12), { minLength: 1, maxLength: 18 }),
    });
  });

const commit = (index: number): string => index.toString(16).padStart(40, '0');

describe('any order of deliveries', () => {
  it('ends with the newest head of every line running, and nothing older', () => {
    fc.assert(
      fc.property(histories, fc.boolean(), (history, forgeReports) => {
        const live = new Map<number, Run>();
        const known = new Set<string>();
        const newestSeen = new Map<string, { id: number; sha: string }>();
        let seen = 0;
        const received = history.deliveries.map((push, index) => {
          const intake = intakeOf({ ...lines[history.pushes[push] ?? 0], sha: commit(push), id: index + 1 });
          if (!forgeReports) newestSeen.set(lineKey(intake), { id: intake.id, sha: intake.sha });
          return { intake, push };
        });
        for (const [index, { intake, push }] of received.entries()) {
          // What a push's own delivery is planned with cannot be older than that push.
          seen = Math.max(
            seen,
            push + 1,
            Math.min(history.pushes.length, history.delays[index % history.delays.length] ?? 0),
          );
          const headPush = history.pushes.slice(0, seen).lastIndexOf(history.pushes[push] ?? 0);
          const verdict = judgeLine(
            intake,
            forgeReports ? commit(headPush) : null,
            newestSeen.get(lineKey(intake)) ?? null,
            [...live.values()],
          );
          if (verdict.kind === 'stale') continue;
          for (const run of verdict.ends) {
            if (forgeReports)
              expect(Number.parseInt(run.sha, 16), 'a newer run was ended by an older event').toBeLessThan(push);
            expect(run.line).toBe(lineKey(intake));
            live.delete(run.id);
          }
          if (known.has(intake.sha)) continue;
          known.add(intake.sha);
          live.set(intake.id, runOn(intake, intake.id));
        }
        for (const [number, line] of lines.entries()) {
          const key = lineOf(line.headRepoId, line.headRef, line.prNumber);
          const shas = [...live.values()].filter((run) => run.line === key).map((run) => run.sha);
          const pushed = history.pushes.flatMap((to, push) => (to === number ? [commit(push)] : []));
          if (!supersedes(intakeOf(line))) expect(shas.toSorted()).toEqual(pushed);
          else if (forgeReports) expect(shas).toEqual(pushed.slice(-1));
          else expect(shas).toEqual(pushed.length === 0 ? [] : [newestSeen.get(key)?.sha]);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

function lineKey(intake: HeadIntake): string {
  return lineOf(intake.headRepoId, intake.headRef, intake.prNumber);
}
