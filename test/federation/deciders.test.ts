/** The parts of the federation that decide without a socket. */
import { expect, test } from 'vitest';
import { admit } from '../../ci/federation/src/hub/admission.ts';
import { fullBucket, spend } from '../../ci/federation/src/hub/limits.ts';
import { figuresOf, percentile } from '../../ci/federation/src/hub/samples.ts';
import { createRegistry } from '../../ci/federation/src/hub/registry.ts';
import { advanced, behind, merged, seenOf } from '../../ci/federation/src/protocol/clock.ts';
import { identityFrom } from '../../ci/federation/src/protocol/names.ts';
import { episodeOf, who } from '../support/federation-rig.ts';

const coder = who('red/coder');
const [one, two, three] = [1, 2, 3].map((sequence) => episodeOf(coder, sequence));

test('a clock never goes back and knows only its own names', () => {
  expect(advanced({ a: 3 }, 'a', 2)).toEqual({ a: 3 });
  expect(merged({ a: 3, b: 1 }, { a: 1, b: 2, c: 1 })).toEqual({ a: 3, b: 2, c: 1 });
  expect(seenOf({}, 'constructor')).toBe(0);
  expect(behind({ a: 1, b: 5 }, { c: 1, a: 2, b: 5 })).toEqual(['a', 'c']);
});

test('a push is stored from where the last one ended, and the part that is there already is not stored again', () => {
  const stored = (sequence: number): string | undefined => [one, two][sequence - 1]?.digest;
  const push = [one, two, three].filter((episode) => episode !== undefined);
  expect(admit(push, 2, stored)).toMatchObject({ kind: 'accepted', fresh: [three], through: 3 });
  expect(admit(push.slice(0, 2), 2, stored)).toMatchObject({ kind: 'accepted', fresh: [], through: 2 });
  expect(admit(push.slice(2), 1, stored)).toEqual({ kind: 'gap', expected: 2 });
  expect(admit(push.slice(1), 2, () => 'other')).toEqual({ kind: 'conflict', sequence: 2 });
});

test('a rate lets a burst through, then makes wait, and a clock that goes back gives nothing', () => {
  const rate = { perSecond: 10, burst: 2 };
  let bucket = fullBucket(rate, 1000);
  const waits = [1000, 1000, 1000, 1000, 900].map((atMs) => {
    const spent = spend(bucket, rate, atMs);
    bucket = spent.bucket;
    return spent.waitMs;
  });
  expect(waits).toEqual([0, 0, 100, 200, 300]);
  expect(spend(bucket, rate, 2000).waitMs).toBe(0);
});

test('percentiles are samples that were seen, and none without a sample', () => {
  expect(percentile([5, 1, 3, 2, 4], 50)).toBe(3);
  expect(percentile([1, 2], 95)).toBe(2);
  expect(figuresOf([])).toEqual({ n: 0, mean: null, p50: null, p95: null, max: null });
});

test('only the entry that has a place can give it up', () => {
  const registry = createRegistry();
  const [old, fresh] = [
    { identity: coder, session: 'old' },
    { identity: coder, session: 'fresh' },
  ];
  expect(registry.enter(old)).toBeUndefined();
  expect(registry.enter(fresh)).toBe(old);
  registry.leave(old);
  expect(registry.ofTenant('red')).toEqual([fresh]);
  registry.leave(fresh);
  expect([registry.size, registry.ofTenant('red')]).toEqual([0, []]);
});

test.each(['red', 'red/', '/coder', 'red/coder/x', 'Red/coder', 'red/co der', '-/x', ''])(
  '%j is no identity',
  (text) => {
    expect(identityFrom(text)).toBeUndefined();
  },
);
