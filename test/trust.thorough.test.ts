/**
 * The whole of who may do what, as one table. Every row is found by the real parts: the payload is read, planned over a
 * real store and real git, approved, and given to the scheduler.
 */
import { expect, it } from 'vitest';
import { volumeName } from '../src/core/cache-key.ts';
import type { IntakeRequest } from '../src/core/intake.ts';
import { layerAccess } from '../src/core/layer-access.ts';
import { success } from '../src/core/result.ts';
import type { EventName, TrustClass } from '../src/core/run.ts';
import { judgeSecrets } from '../src/core/secrets/secret-grants.ts';
import { rightsOf } from '../src/core/trust.ts';
import { readPayload } from '../src/github/payload.ts';
import { scheduleOnce } from '../src/scheduler.ts';
import { makePlannerRig, type PlannerRig } from './planner/rig.ts';

const header =
  'event | of | by | approved by | class | config | jobs | secrets | slots | layers read | built | volumes';

const table = `
event             | of             | by  | approved by                              | class | config     | jobs | secrets    | slots      | layers read | built | volumes
push              | default branch | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
push              | other branch   | any | any                                      | T2    | own commit | run  | as granted | used once  | T1 T2       | T2    | kept
push              | tag            | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
push              | fork           | any | any                                      | never told
push              | deleted fork   | any | any                                      | never told
pull_request      | default branch | any | any                                      | T2    | own commit | run  | as granted | used once  | T1 T2       | T2    | kept
pull_request      | other branch   | any | any                                      | T2    | own commit | run  | as granted | used once  | T1 T2       | T2    | kept
pull_request      | tag            | any | any                                      | never told
pull_request      | fork           | any | any other                                | T4    | base main  | wait
pull_request      | fork           | any | an administrator / a comment of a writer | T3    | base main  | run  | none       | used once  | T1 own      | none  | fresh
pull_request      | deleted fork   | any | any other                                | T4    | base main  | wait
pull_request      | deleted fork   | any | an administrator / a comment of a writer | T3    | base main  | run  | none       | used once  | T1 own      | none  | fresh
merge_group       | default branch | any | any                                      | never told
merge_group       | other branch   | any | any                                      | T2    | own commit | run  | as granted | used once  | T1 T2       | T2    | kept
merge_group       | tag            | any | any                                      | never told
merge_group       | fork           | any | any                                      | never told
merge_group       | deleted fork   | any | any                                      | never told
workflow_dispatch | default branch | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
workflow_dispatch | other branch   | any | any                                      | T2    | own commit | run  | as granted | used once  | T1 T2       | T2    | kept
workflow_dispatch | tag            | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
workflow_dispatch | fork           | any | any                                      | no run
workflow_dispatch | deleted fork   | any | any                                      | no run
schedule          | default branch | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
schedule          | other branch   | any | any                                      | never told
schedule          | tag            | any | any                                      | never told
schedule          | fork           | any | any                                      | never told
schedule          | deleted fork   | any | any                                      | never told
manual            | default branch | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
manual            | other branch   | any | any                                      | T1    | own commit | run  | as granted | used again | T1          | T1    | kept
manual            | tag            | any | any                                      | never told
manual            | fork           | any | any                                      | never told
manual            | deleted fork   | any | any                                      | never told
issue_comment     | default branch | any | any                                      | no run
issue_comment     | other branch   | any | any                                      | no run
issue_comment     | tag            | any | any                                      | never told
issue_comment     | fork           | any | any                                      | no run
issue_comment     | deleted fork   | any | any                                      | no run
delete            | default branch | any | any                                      | never told
delete            | other branch   | any | any                                      | no run
delete            | tag            | any | any                                      | no run
delete            | fork           | any | any                                      | never told
delete            | deleted fork   | any | any                                      | never told
`;

const NOW = new Date('2030-01-01T00:00:00Z');
const NEVER = new AbortController().signal;
const PIPELINE = `
on: { push: {}, pull_request: {}, merge_group: {}, workflow_dispatch: {}, schedule: [{ cron: 0 3 * * * }] }
jobs: { build: { run: make } }
`;
const FORK = 77;
const PULL = 9;
const repo = { id: 1, owner: 'acme', name: 'app' };
const repository = { id: repo.id, name: repo.name, owner: { login: repo.owner }, default_branch: 'main' };
const writer = { id: 5, login: 'writer', type: 'User' };
const reader = { id: 6, login: 'reader', type: 'User' };
const bot = { id: 7, login: 'helper[bot]', type: 'Bot' };

/** Where a commit comes from. */
const origins = { 'default branch': 'main', 'other branch': 'topic', tag: 'v1', fork: 'main', 'deleted fork': 'main' };
type Origin = keyof typeof origins;

const senders = { person: writer, bot };
type Sender = (typeof senders)[keyof typeof senders];

interface Commit {
  readonly from: Origin;
  readonly sha: string;
  readonly sender: Sender;
}

/** What is told of a commit, as payload or as our own intake; undefined where nothing of the kind can be told. */
const events: Record<EventName | 'issue_comment' | 'delete', (commit: Commit) => IntakeRequest | null | undefined> = {
  push: ({ from, sha, sender }) =>
    isOfFork(from) ? undefined : told('push', { ref: refOf(from), after: sha, head_commit: { id: sha }, sender }),
  pull_request: ({ from, sha, sender }) =>
    from === 'tag'
      ? undefined
      : told('pull_request', { action: 'synchronize', number: PULL, sender, pull_request: pull(from, sha) }),
  merge_group: ({ from, sha, sender }) =>
    from === 'other branch'
      ? told('merge_group', {
          ...{ action: 'checks_requested', sender },
          merge_group: { head_sha: sha, head_ref: refOf(from), base_ref: 'refs/heads/main' },
        })
      : undefined,
  workflow_dispatch: ({ from, sha, sender }) => asked(from, sha, 'workflow_dispatch', sender),
  schedule: ({ from, sha, sender }) => (from === 'default branch' ? asked(from, sha, 'schedule', sender) : undefined),
  manual: ({ from, sha, sender }) =>
    from === 'default branch' || from === 'other branch'
      ? { kind: 'head', eventName: 'manual', sha, trust: 'T1', event: {}, ...target(from, sender) }
      : undefined,
  issue_comment: ({ from, sender }) =>
    from === 'tag' ? undefined : told('issue_comment', commentOf('I like it', sender)),
  delete: ({ from, sender }) =>
    isOfFork(from) || from === 'default branch'
      ? undefined
      : told('delete', { ref: origins[from], ref_type: from === 'tag' ? 'tag' : 'branch', sender }),
};

/** Ways to ask for approval. What a comment of GitHub asks for is null when it is no request at all. */
const approvals: Record<string, (rig: PlannerRig, commit: Commit, run: number) => Promise<void>> = {
  nobody: () => Promise.resolve(),
  'an administrator': async ({ store }, { sha }, run) => {
    await store.approve({ run, sha }, { by: 'an administrator', at: new Date(0) });
  },
  'an administrator for another sha': async ({ store }, _commit, run) => {
    await store.approve({ run, sha: 'e'.repeat(40) }, { by: 'an administrator', at: new Date(0) });
  },
  'a comment of a writer': (rig, { sha }) => comment(rig, `/hearth approve ${sha}`, writer),
  'a comment with a part of the sha': (rig, { sha }) => comment(rig, `/hearth approve ${sha.slice(0, 12)}`, writer),
  'a comment for another sha': (rig) => comment(rig, `/hearth approve ${'e'.repeat(40)}`, writer),
  'a comment of a reader': (rig, { sha }) => comment(rig, `/hearth approve ${sha}`, reader),
  'a comment of a bot': (rig, { sha }) => comment(rig, `/hearth approve ${sha}`, bot),
};

it('every event of every origin, approved or not, has the class and the rights of this table', async () => {
  const rows = [header];
  for (const [event, tell] of Object.entries(events)) {
    for (const from of Object.keys(origins) as Origin[]) {
      const rowsOf = new Map<string, string[]>();
      for (const [name, sender] of Object.entries(senders)) {
        const found = await rightsByApproval(from, sender, tell);
        for (const [rights, approvedBy] of found) put(rowsOf, `${anyOr(approvedBy, approvals)} | ${rights}`, name);
      }
      for (const [rest, names] of rowsOf) rows.push([event, from, anyOr(names, senders), rest].join(' | '));
    }
  }
  expect(aligned(rows)).toBe(table.trim());
}, 120_000);

it.each(Object.keys({ T1: 0, T2: 0, T3: 0, T4: 0 } satisfies Record<TrustClass, 0>))(
  '%s stands in the table',
  (trust) => {
    expect(table).toMatch(new RegExp(`\\| ${trust} +\\|`));
  },
);

type Tell = (typeof events)['push'];

/** From rights to the ways of approval that lead to them. */
async function rightsByApproval(from: Origin, sender: Sender, tell: Tell): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  let now = await planned(from, sender, tell);
  for (const [name, approve] of Object.entries(approvals)) {
    const { rig, commit, result } = now;
    if (typeof result !== 'number') {
      put(found, result, name);
      continue;
    }
    const before = await classOf(rig, result);
    await approve(rig, commit, result);
    await rig.tick();
    put(found, await rightsIn(rig, result), name);
    if ((await classOf(rig, result)) === before) continue;
    await now[Symbol.asyncDispose]();
    now = await planned(from, sender, tell);
  }
  await now[Symbol.asyncDispose]();
  return found;
}

interface Planned extends AsyncDisposable {
  readonly rig: PlannerRig;
  readonly commit: Commit;
  /** The run, or why there is none. */
  readonly result: number | 'never told' | 'no run';
}

async function planned(from: Origin, sender: Sender, tell: Tell): Promise<Planned> {
  const rig = await makePlannerRig({
    people: {
      permissionOf: (_repo, login) => {
        const who = [writer, reader, bot].find((one) => one.login === login);
        return Promise.resolve(success({ mayWrite: who === writer, personId: who?.id ?? null }));
      },
    },
  });
  const base = rig.upstream.push('main', { '.hearth/ci.yml': PIPELINE });
  const sha =
    from === 'default branch' ? base : rig.upstream.commit({ '.hearth/ci.yml': PIPELINE, a: 'changed' }, base);
  rig.upstream.ref(`refs/pull/${PULL}/head`, sha);
  if (!isOfFork(from)) rig.upstream.ref(refOf(from), sha);
  const commit = { from, sha, sender };
  const request = tell(commit);
  if (request) await rig.receive(request);
  await rig.tick();
  const [run] = await rig.runs();
  const result = run?.run.id ?? (request === undefined ? 'never told' : 'no run');
  return { rig, commit, result, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
}

async function rightsIn(rig: PlannerRig, id: number): Promise<string> {
  await rig.store.renewWorker({ id: 'w', slots: 4, details: {} }, new Date('2040-01-01'), NOW);
  const clock = { now: () => NOW, monotonicMs: () => 0 };
  await scheduleOnce({ store: rig.store, clock, leaseMs: 1_000, onChange: () => undefined }, NEVER);
  const found = await rig.store.findRun(id);
  const [job] = found?.jobs ?? [];
  if (found === undefined || job === undefined) throw new Error(`there is no run ${id}`);
  const { run } = found;
  const { trust } = run;
  const config = run.config === null ? 'own commit' : `base ${run.config.branch}`;
  if (job.state !== 'running') return `${trust} | ${config} | wait`;
  const grants = [{ name: 'A', trust: ['T1', 'T2', 'T3', 'T4'] as const, events: null }];
  const uses = [{ name: 'A', variable: 'A', isFile: false, isOptional: true }];
  const secrets = judgeSecrets(uses, grants, run).given.length === 0 ? 'none' : 'as granted';
  const { reads, writes, isPrivate } = layerAccess(trust, job);
  const shown = (folder: string): string => (isPrivate && folder === writes ? 'own' : folder);
  const volumes = volumeName({ repoId: repo.id, trust, cache: 'c' }, (text) => text) === null ? 'fresh' : 'kept';
  const slots = rightsOf(trust).keepsSlots ? 'used again' : 'used once';
  const layers = [reads.map(shown).join(' '), isPrivate ? 'none' : writes];
  return [trust, config, 'run', secrets, slots, ...layers, volumes].join(' | ');
}

async function classOf({ store }: PlannerRig, id: number): Promise<TrustClass | undefined> {
  return (await store.findRun(id))?.run.trust;
}

async function comment(rig: PlannerRig, body: string, sender: Sender): Promise<void> {
  const request = told('issue_comment', commentOf(body, sender));
  if (request !== null) await rig.receive(request);
}

function commentOf(body: string, sender: Sender): object {
  return { action: 'created', issue: { number: PULL, pull_request: {} }, comment: { body, user: sender }, sender };
}

/** What a delivery of GitHub asks for. */
function told(event: string, payload: object): IntakeRequest | null {
  const reading = readPayload(event, { repository, ...payload });
  if (!reading.ok) throw new Error(reading.problem);
  return reading.value.request;
}

function asked(from: Origin, sha: string, eventName: 'workflow_dispatch' | 'schedule', sender: Sender): IntakeRequest {
  const time = eventName === 'schedule' ? { cron: '0 3 * * *', timezone: 'UTC' } : null;
  const ref = isOfFork(from) ? 'refs/heads/main' : refOf(from);
  const wish = { ref, sha: time === null ? sha : null, pipeline: time === null ? null : 'ci', inputs: {}, time };
  return { kind: 'asked', eventName, asked: wish, ...target(from, sender) };
}

function pull(from: Origin, sha: string): object {
  const head = from === 'deleted fork' ? null : { id: from === 'fork' ? FORK : repo.id };
  return {
    merged: false,
    head: { ref: origins[from], sha, repo: head },
    base: { ref: 'main', repo: repository },
  };
}

function target(from: Origin, { login }: Sender) {
  const places = { headRef: refOf(from), headRepoId: repo.id, prNumber: null, baseRef: null };
  return { repo, ...places, defaultBranch: 'main', actor: login };
}

function refOf(from: Origin): string {
  return `refs/${from === 'tag' ? 'tags' : 'heads'}/${origins[from]}`;
}

function isOfFork(from: Origin): boolean {
  return from === 'fork' || from === 'deleted fork';
}

function anyOr(names: readonly string[], all: object): string {
  const missing = Object.keys(all).filter((one) => !names.includes(one));
  if (missing.length === 0) return 'any';
  return names.length > missing.length ? 'any other' : names.join(' / ');
}

function put(map: Map<string, string[]>, key: string, name: string): void {
  map.set(key, [...(map.get(key) ?? []), name]);
}

function aligned(rows: readonly string[]): string {
  const cells = rows.map((row) => row.split(' | '));
  const widths = (cells[0] ?? []).map((_, at) =>
    Math.max(...cells.map((row) => (row[at + 1] === undefined ? 0 : (row[at]?.length ?? 0)))),
  );
  return cells
    .map((row) => row.map((cell, at) => (at + 1 === row.length ? cell : cell.padEnd(widths[at] ?? 0))).join(' | '))
    .join('\n');
}
