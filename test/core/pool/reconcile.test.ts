import { describe, expect, it } from 'vitest';
import { ownerLabel, scopeKey } from '../../../src/core/pool/pool.ts';
import {
  reconcile,
  type Fix,
  type ForgeRunner,
  type ReconcileParts,
  type RunnerContainer,
} from '../../../src/core/pool/reconcile.ts';
import type { Runner } from '../../../src/core/pool/runner.ts';
import { makeRunner } from '../../support/make-pool.ts';

const MINUTE = 60_000;
const now = new Date(10 * MINUTE);
const ago = (ms: number): Date => new Date(now.getTime() - ms);
const installation = 'abcd1234';
const scope = { repo: 'octo/app' };
const key = scopeKey(scope);

interface World {
  readonly runners?: readonly Runner[];
  /** undefined = GitHub did not answer. */
  readonly forge?: readonly Partial<ForgeRunner>[] | undefined;
  /** null = the engine did not answer. */
  readonly containers?: readonly Partial<RunnerContainer>[] | null;
  readonly more?: Partial<ReconcileParts>;
  readonly seenAt?: Date;
}

function at(runner: Runner, more: Partial<ForgeRunner> = {}): Partial<ForgeRunner> {
  return { id: runner.githubId ?? 7, name: runner.name, labels: [ownerLabel(installation)], ...more };
}

function judge({ runners = [], forge, containers = [], more, seenAt = now }: World): readonly Fix[] {
  const listed = (forge ?? []).map((one): ForgeRunner => ({
    ...{ id: 1, name: 'x', isOnline: true, isBusy: false, labels: [], version: '2.330.0' },
    ...one,
  }));
  const running = (containers ?? []).map((one): RunnerContainer => ({
    ...{ id: 'c', runner: 'x', scope: key, isRunning: true, exitCode: null },
    ...one,
  }));
  return reconcile({
    runners,
    withJob: new Set(),
    sight: {
      forge: new Map(forge === undefined ? [] : [[key, { at: seenAt, list: listed }]]),
      containers: containers === null ? null : { at: seenAt, list: running },
    },
    now,
    installation,
    underWay: new Set(),
    endedAt: new Map(),
    wanted: () => ({ minVersion: '2.329.0', maxLifetimeMs: 60 * MINUTE }),
    ...more,
  });
}

const box = (runner: Runner, more: Partial<RunnerContainer> = {}) => ({
  id: runner.container ?? 'c',
  runner: runner.name,
  ...more,
});
const leaves = (fixes: readonly Fix[]) => fixes.map((fix) => (fix.do === 'leave' ? fix.rule : fix.do));

describe('a runner that Hearth was about to bring into being when it was killed', () => {
  it('leaves at once: nobody goes on with it', () => {
    const planned = makeRunner({ state: 'planned', githubId: null, container: null });
    expect(leaves(judge({ runners: [planned], forge: [] }))).toEqual(['unfinished-plan']);
    expect(leaves(judge({ runners: [planned], forge: [at(planned)] }))).toEqual(['lost-config']);
    const registered = makeRunner({ state: 'registered', container: null });
    expect(leaves(judge({ runners: [registered], forge: [at(registered)] }))).toEqual(['not-started']);
    const made = { id: 'c9', runner: registered.name, isRunning: false };
    expect(leaves(judge({ runners: [registered], forge: [at(registered)], containers: [made] }))).toEqual([
      'died-at-start',
    ]);
  });

  it('is left alone while this process is at it', () => {
    const planned = makeRunner({ state: 'planned' });
    expect(judge({ runners: [planned], forge: [], more: { underWay: new Set([planned.id]) } })).toEqual([]);
  });
});

describe('a runner that was started', () => {
  it('is idle once GitHub sees it, and busy once GitHub says so', () => {
    const runner = makeRunner({ state: 'starting', onlineAt: null });
    expect(judge({ runners: [runner], forge: [at(runner)], containers: [box(runner)] })).toEqual([
      { do: 'change', runner, change: { state: 'idle', onlineAt: now } },
    ]);
    expect(judge({ runners: [runner], forge: [at(runner, { isBusy: true })], containers: [box(runner)] })).toEqual([
      { do: 'change', runner, change: { state: 'busy', busyAt: now, onlineAt: now } },
    ]);
  });

  it('that registered itself gets the number GitHub gave it', () => {
    const runner = makeRunner({ state: 'starting', githubId: null });
    expect(judge({ runners: [runner], forge: [at(runner, { id: 55 })], containers: [box(runner)] })).toMatchObject([
      { change: { githubId: 55, state: 'idle' } },
    ]);
  });

  it('is busy as soon as a webhook says that it has a job, also while GitHub does not answer', () => {
    const runner = makeRunner({ state: 'idle' });
    const more = { withJob: new Set([runner.name]) };
    expect(judge({ runners: [runner], containers: [box(runner)], more })).toMatchObject([
      { change: { state: 'busy' } },
    ]);
  });

  it('has two minutes to come online, and eight times that when it is emulated', () => {
    const waits = (more: Partial<Runner>) => {
      const runner = makeRunner({ state: 'starting', onlineAt: null, ...more });
      return leaves(judge({ runners: [runner], forge: [at(runner, { isOnline: false })], containers: [box(runner)] }));
    };
    expect(waits({})).toEqual(['change']);
    expect(waits({ odd: 'never-online', oddAt: ago(MINUTE) })).toEqual([]);
    expect(waits({ odd: 'never-online', oddAt: ago(2 * MINUTE) })).toEqual(['never-online']);
    expect(waits({ odd: 'never-online', oddAt: ago(2 * MINUTE), isEmulated: true })).toEqual([]);
    expect(waits({ odd: 'never-online', oddAt: ago(16 * MINUTE), isEmulated: true })).toEqual(['never-online']);
  });

  it('what was odd and passed is forgotten', () => {
    const runner = makeRunner({ state: 'idle', odd: 'offline', oddAt: ago(MINUTE) });
    expect(judge({ runners: [runner], forge: [at(runner)], containers: [box(runner)] })).toEqual([
      { do: 'change', runner, change: { odd: null, oddAt: null } },
    ]);
  });

  it.each([
    ['idle', 'offline', MINUTE, []],
    ['idle', 'offline', 2 * MINUTE, ['offline']],
    // GitHub itself waits about that long for a runner with a job.
    ['busy', 'offline', 14 * MINUTE, []],
    ['busy', 'offline', 15 * MINUTE, ['offline']],
  ] as const)('%s and out of sight (%s) for %d ms: %j', (state, odd, ms, expected) => {
    const runner = makeRunner({ state, odd, oddAt: ago(ms) });
    const forge = [at(runner, { isOnline: false })];
    expect(leaves(judge({ runners: [runner], forge, containers: [box(runner)] }))).toEqual(expected);
  });

  it.each([
    ['idle', 'unregistered'],
    ['busy', 'did-not-exit'],
  ] as const)('%s whose registration is gone has a minute to end by itself, then it is %s', (state, rule) => {
    const of = (odd: Partial<Runner>) => {
      const runner = makeRunner({ state, ...odd });
      return leaves(judge({ runners: [runner], forge: [], containers: [box(runner)] }));
    };
    expect(of({})).toEqual(['change']);
    expect(of({ odd: rule, oddAt: ago(MINUTE) })).toEqual([rule]);
  });

  it('leaves when its container ended: after its job, or before GitHub saw it', () => {
    const ended = (state: Runner['state'], exitCode: number) => {
      const runner = makeRunner({ state });
      return leaves(judge({ runners: [runner], containers: [box(runner, { isRunning: false, exitCode })] }));
    };
    expect([ended('busy', 0), ended('idle', 1), ended('starting', 0), ended('starting', 1)]).toEqual([
      ['finished'],
      ['finished'],
      ['finished'],
      ['died-at-start'],
    ]);
  });

  it('leaves when somebody removed its container', () => {
    const runner = makeRunner({ state: 'busy' });
    expect(leaves(judge({ runners: [runner], forge: [at(runner)], containers: [] }))).toEqual(['container-lost']);
  });

  it('leaves when its program is too old or it waited too long, but never with a job', () => {
    const old = { version: '2.328.9' };
    const more = { wanted: () => ({ minVersion: '2.329.0', maxLifetimeMs: 10 * MINUTE }) };
    const of = (state: Runner['state'], forge: Partial<ForgeRunner>) => {
      const runner = makeRunner({ state });
      return leaves(judge({ runners: [runner], forge: [at(runner, forge)], containers: [box(runner)], more }));
    };
    expect(of('idle', old)).toEqual(['old-version']);
    expect(of('idle', {})).toEqual(['too-old']);
    expect(of('busy', { ...old, isBusy: true })).toEqual([]);
  });

  it('is not judged by what could not be asked', () => {
    const runner = makeRunner({ state: 'idle', odd: 'offline', oddAt: ago(60 * MINUTE) });
    expect(judge({ runners: [runner], forge: undefined, containers: [box(runner)] })).toEqual([]);
    expect(judge({ runners: [runner], forge: [at(runner)], containers: null })).toMatchObject([{ do: 'change' }]);
  });

  it('is not judged by a list from before its last change', () => {
    const runner = makeRunner({ state: 'starting', changedAt: ago(1000) });
    expect(judge({ runners: [runner], forge: [], containers: [], seenAt: ago(2000) })).toEqual([]);
    // A clock that was set back must not keep it so for ever.
    const ahead = makeRunner({ state: 'idle', changedAt: new Date(now.getTime() + 60 * MINUTE) });
    expect(leaves(judge({ runners: [ahead], forge: [at(ahead)], containers: [] }))).toEqual(['container-lost']);
  });
});

describe('a runner that leaves', () => {
  it('gives up its registration first, then its container, and is gone when neither is there', () => {
    const leaving = makeRunner({ state: 'leaving' });
    expect(judge({ runners: [leaving], containers: [box(leaving)] })).toEqual([
      { do: 'deregister', runner: leaving, githubId: leaving.githubId },
    ]);
    const released = { ...leaving, isReleased: true };
    expect(judge({ runners: [released], containers: [box(leaving)] })).toEqual([
      { do: 'remove-container', runner: released, container: leaving.container },
    ]);
    expect(judge({ runners: [released], containers: [] })).toEqual([{ do: 'end', runner: released }]);
    expect(judge({ runners: [released], containers: null })).toEqual([]);
  });

  it('without a number is looked for by its name, and waits while GitHub does not answer', () => {
    const leaving = makeRunner({ state: 'leaving', githubId: null, container: null });
    expect(judge({ runners: [leaving] })).toEqual([]);
    expect(judge({ runners: [leaving], forge: [at(leaving, { id: 66 })] })).toMatchObject([
      { do: 'deregister', githubId: 66 },
    ]);
    expect(judge({ runners: [leaving], forge: [] })).toEqual([
      { do: 'change', runner: leaving, change: { isReleased: true } },
    ]);
  });
});

describe('what nobody has on record', () => {
  const orphan = { id: 5, name: 'hearth-p-lost', labels: ['self-hosted', ownerLabel(installation).toUpperCase()] };

  it('is taken away on both sides when it carries our label', () => {
    const containers = [{ id: 'c5', runner: 'hearth-p-lost' }];
    expect(judge({ forge: [orphan], containers })).toEqual([
      { do: 'deregister-orphan', scope: key, githubId: 5, name: 'hearth-p-lost' },
      { do: 'remove-orphan', container: 'c5', name: 'hearth-p-lost' },
    ]);
  });

  it('is what a list from before its end still shows', () => {
    const endedAt = new Map([[orphan.name, ago(1000)]]);
    expect(judge({ forge: [orphan], more: { endedAt }, seenAt: ago(2000) })).toEqual([]);
    expect(judge({ forge: [orphan], more: { endedAt }, seenAt: now })).toHaveLength(1);
  });

  it('is left alone when it carries the label of somebody else', () => {
    expect(judge({ forge: [{ ...orphan, labels: ['self-hosted', ownerLabel('ffff0000')] }] })).toEqual([]);
  });

  it('is left alone as long as it has a job, or nobody can tell', () => {
    const containers = [{ id: 'c5', runner: 'hearth-p-lost' }];
    expect(judge({ forge: [{ ...orphan, isBusy: true }], containers })).toEqual([]);
    expect(judge({ forge: undefined, containers })).toEqual([]);
    expect(judge({ forge: undefined, containers: [{ ...containers[0], isRunning: false }] })).toMatchObject([
      { do: 'remove-orphan' },
    ]);
  });
});
