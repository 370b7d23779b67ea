import { expect, test } from 'vitest';
import { fitPool, hostReserve, roomForRunners } from '../../../src/core/pool/box.ts';

const GIB = 1024 ** 3;
const box = (cpus: number, memory: number, disk: number) => ({
  cpus,
  memoryBytes: memory * GIB,
  diskBytes: disk * GIB,
});

test('a box keeps a fifth of its cores and 15 % of its memory, two cores and 2 GB at least', () => {
  expect(hostReserve(box(16, 64, 500))).toEqual({ cpus: 3.2, memoryBytes: Math.floor(9.6 * GIB), diskBytes: 10 * GIB });
  expect(hostReserve(box(8, 8, 100))).toEqual(box(2, 2, 10));
});

test('a small box keeps half of itself', () => {
  expect(hostReserve(box(2, 3, 8))).toEqual({ cpus: 1, memoryBytes: 1.5 * GIB, diskBytes: 4 * GIB });
});

test('runners never get more than jobs of pipelines could', () => {
  const capacity = { ...box(16, 20, 30), total: box(16, 64, 500) };
  expect(roomForRunners(capacity)).toEqual({ cpus: 12.8, memoryBytes: 20 * GIB, diskBytes: 30 * GIB });
});

test('as many runners fit as the scarcest thing allows', () => {
  expect(fitPool({ size: 'multi', max: null }, box(13, 60, 400))).toEqual({
    ok: true,
    value: { most: 3, size: box(4, 6, 30), isClamped: false },
  });
  expect(fitPool({ size: 'multi', max: null }, box(40, 13, 400))).toMatchObject({ value: { most: 2 } });
});

test('a named size gives way to a smaller box, and there is always one runner', () => {
  expect(fitPool({ size: 'large', max: null }, box(1, 3, 20))).toEqual({
    ok: true,
    value: { most: 1, size: box(1, 3, 20), isClamped: true },
  });
});

test('an amount that the box does not have is refused with both numbers, all at once', () => {
  expect(fitPool({ size: box(8, 4, 900), max: null }, box(6, 50, 400))).toEqual({
    ok: false,
    problem: [
      '`size.cpus` is 8, and this box has 6 for runners; ask for less',
      '`size.disk` is 900g, and this box has 400g for runners; ask for less',
    ],
  });
});

test('more runners than fit are refused when somebody asked for them', () => {
  expect(fitPool({ size: 'multi', max: 4 }, box(13, 60, 400))).toEqual({
    ok: false,
    problem: [
      '4 runners are more than the box has room for: 4 × 4 cpus, and this box has 13 for runners. At most 3 fit',
    ],
  });
  expect(fitPool({ size: 'multi', max: 3 }, box(13, 60, 400))).toMatchObject({ value: { most: 3 } });
});
