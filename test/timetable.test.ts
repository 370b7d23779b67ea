import { describe, expect, it } from 'vitest';
import type { Store } from '../src/core/ports.ts';
import { openSqliteStore } from '../src/store/sqlite.ts';
import { createTimetable } from '../src/timetable.ts';
import { virtualClock } from './support/virtual-clock.ts';
import { head, intakeIn, plan, repo } from './store/support.ts';

const time = { cron: '0 3 * * *', timezone: 'UTC' };
const HOUR_MS = 3_600_000;

async function makeRig({ store, allowed = true }: { store?: Store; allowed?: boolean } = {}) {
  const own = store ?? (await openSqliteStore(':memory:'));
  const clock = virtualClock(new Date('2026-03-01T00:00:00Z'));
  let changes = 0;
  const keep = createTimetable({
    store: own,
    clock,
    isAllowed: () => allowed,
    onChange: () => {
      changes += 1;
    },
    log: { info: () => undefined },
  });
  return {
    store: own,
    clock,
    changes: () => changes,
    tick: () => keep(new AbortController().signal),
    /** What the default branch's head wants now. */
    wants: async (pipelines: readonly string[], next = new Date('2026-03-01T03:00:00Z')) => {
      const intake = await intakeIn(own, head());
      const entries = pipelines.map((pipeline) => ({ pipeline, time, next }));
      await own.applyPlan(intake, plan([], { timetable: { entries, keep: [] } }), clock.now());
    },
    asked: async () =>
      (await own.unplannedIntakes(new Date('2040-01-01'), 100)).flatMap((intake) =>
        intake.kind === 'asked'
          ? [`${intake.asked.pipeline} ${(JSON.parse(intake.deliveryId.slice(5)) as string[])[4]}`]
          : [],
      ),
    [Symbol.asyncDispose]: () => own.close(),
  };
}

describe('a time that has come', () => {
  it('asks once for a run on the default branch, however often one looks', async () => {
    await using rig = await makeRig();
    await rig.wants(['nightly']);
    await rig.tick();
    expect(await rig.asked()).toEqual([]);
    rig.clock.advance(3 * HOUR_MS);
    await rig.tick();
    await rig.tick();
    expect(await rig.asked()).toEqual(['nightly 2026-03-01T03:00:00.000Z']);
    expect(rig.changes()).toBe(1);
    expect((await rig.store.unplannedIntakes(new Date('2040-01-01'), 1))[0]).toMatchObject({
      eventName: 'schedule',
      repo,
      headRef: 'refs/heads/main',
      asked: { ref: 'refs/heads/main', pipeline: 'nightly', time },
    });
    rig.clock.advance(24 * HOUR_MS);
    await rig.tick();
    expect(await rig.asked()).toEqual(['nightly 2026-03-01T03:00:00.000Z', 'nightly 2026-03-02T03:00:00.000Z']);
  });

  it('is taken by one of several processes', async () => {
    await using one = await makeRig();
    const other = await makeRig({ store: one.store });
    await one.wants(['a', 'b']);
    one.clock.advance(3 * HOUR_MS);
    other.clock.advance(3 * HOUR_MS);
    await Promise.all([one.tick(), other.tick(), one.tick()]);
    expect((await one.asked()).toSorted()).toEqual(['a 2026-03-01T03:00:00.000Z', 'b 2026-03-01T03:00:00.000Z']);
  });

  it('and others with it while nothing ran asks once, for the newest', async () => {
    await using rig = await makeRig();
    await rig.wants(['nightly']);
    rig.clock.advance(10 * 24 * HOUR_MS);
    await rig.tick();
    expect(await rig.asked()).toEqual(['nightly 2026-03-10T03:00:00.000Z']);
  });

  it('does not ask again when the clock steps back', async () => {
    await using rig = await makeRig();
    await rig.wants(['nightly']);
    rig.clock.advance(3 * HOUR_MS);
    await rig.tick();
    rig.clock.advance(-HOUR_MS);
    await rig.tick();
    // Not even when the entry went away and came back in between.
    await rig.wants([]);
    await rig.wants(['nightly']);
    rig.clock.advance(HOUR_MS);
    await rig.tick();
    expect(await rig.asked()).toEqual(['nightly 2026-03-01T03:00:00.000Z']);
  });

  it('asks for nothing once its repository is off the allow-list', async () => {
    await using rig = await makeRig({ allowed: false });
    await rig.wants(['nightly']);
    rig.clock.advance(3 * HOUR_MS);
    await rig.tick();
    expect(await rig.asked()).toEqual([]);
    expect(await rig.store.dueTimes(rig.clock.now(), 10)).toEqual([]);
  });
});

describe('the timetable of a repository', () => {
  it('keeps a time that came but was not taken yet when the next push still has it', async () => {
    await using rig = await makeRig();
    await rig.wants(['nightly']);
    rig.clock.advance(3 * HOUR_MS);
    await rig.wants(['nightly'], new Date('2026-03-02T03:00:00Z'));
    await rig.tick();
    expect(await rig.asked()).toEqual(['nightly 2026-03-01T03:00:00.000Z']);
  });

  it('loses what the default branch no longer says', async () => {
    await using rig = await makeRig();
    await rig.wants(['nightly', 'weekly']);
    await rig.wants(['weekly']);
    rig.clock.advance(3 * HOUR_MS);
    await rig.tick();
    expect(await rig.asked()).toEqual(['weekly 2026-03-01T03:00:00.000Z']);
  });
});
