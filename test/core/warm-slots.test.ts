import { describe, expect, it } from 'vitest';
import { slotsToStart, type SlotCounts, type WantedSlots } from '../../src/core/schedule/warm-slots.ts';

const want = (key: string, count: number, comesBack = false): WantedSlots => ({ key, count, comesBack });
const have = (counts: Readonly<Record<string, Partial<SlotCounts>>>) =>
  new Map(Object.entries(counts).map(([key, some]) => [key, { idle: 0, arriving: 0, held: 0, ...some }]));
const roomy = { maxIdle: 8, starts: 8 };

describe('slots to start in advance', () => {
  it.each<[string, readonly WantedSlots[], Parameters<typeof have>[0], readonly string[]]>([
    ['one for each job that wants one', [want('a', 2)], {}, ['a', 'a']],
    ['none where enough are idle', [want('a', 2)], { a: { idle: 2 } }, []],
    ['none where one is under way', [want('a', 1)], { a: { arriving: 1 } }, []],
    ['only what is missing', [want('a', 3)], { a: { idle: 1, arriving: 1 } }, ['a']],
    ['one beside those in use that are thrown away', [want('a', 1)], { a: { held: 1 } }, ['a']],
    ['none where one in use comes back', [want('a', 1, true)], { a: { held: 1 } }, []],
    ['what more is wanted than comes back', [want('a', 2, true)], { a: { held: 1 } }, ['a']],
    ['in order of need', [want('b', 1), want('a', 1)], {}, ['b', 'a']],
    ['nothing for kinds that nobody wants', [], { a: { held: 2 } }, []],
  ])('are %s', (_what, wanted, counts, starts) => {
    expect(slotsToStart(wanted, have(counts), roomy)).toEqual(starts);
  });

  it('are never so many that what is wanted would push itself out', () => {
    const wanted = [want('a', 3), want('b', 3)];
    expect(slotsToStart(wanted, have({ a: { idle: 2 } }), { maxIdle: 4, starts: 8 })).toEqual(['a', 'b']);
    expect(slotsToStart(wanted, have({ a: { idle: 3 }, b: { idle: 1 } }), { maxIdle: 4, starts: 8 })).toEqual([]);
  });

  it('may push out idle ones that nobody wants', () => {
    expect(slotsToStart([want('a', 1)], have({ old: { idle: 4 } }), { maxIdle: 4, starts: 8 })).toEqual(['a']);
  });

  it('are few at a time', () => {
    expect(slotsToStart([want('a', 4)], have({}), { maxIdle: 8, starts: 2 })).toEqual(['a', 'a']);
    expect(slotsToStart([want('a', 4)], have({}), { maxIdle: 8, starts: -1 })).toEqual([]);
  });
});
