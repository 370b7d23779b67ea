import { expect, it } from 'vitest';
import { keptText, prewarmText, slotsText } from '../../src/ops/worker-text.ts';

const pool = { idle: 3, held: 1, starting: 0, kinds: [{ repoId: 7, trust: 'T1', image: '0123', idle: 3 }] };
const warmth = {
  slots: { warm: 5, ahead: 1, cold: 2 },
  checkouts: { hit: 3, miss: 4 },
  layers: { hit: 6, miss: 0 },
  prepared: { begun: 8, failed: 1 },
};

it('tells what slots there are and how jobs found theirs', () => {
  expect(slotsText([{ details: { pool, warmth } }])).toBe(
    '3 idle (repository 7, T1, image 0123: 3), 1 held, 0 starting; since it started jobs found 5 warm, 1 being started in advance, and 2 cold',
  );
});

it('tells what was there already and what was prepared', () => {
  expect(prewarmText([{ details: { pool, warmth } }])).toBe(
    'checkouts: 3 hit, 4 miss; layers: 6 hit, 0 miss; prepared in advance for 8 jobs, 1 failed',
  );
});

it('tells what an older worker knows, of each worker, and that none has reported', () => {
  const older = { details: { pool: { idle: 0, held: 0, starting: 1 } } };
  expect(slotsText([older, older])).toBe('0 idle, 0 held, 1 starting | 0 idle, 0 held, 1 starting');
  expect(slotsText([{ details: {} }])).toBe('none yet');
  expect(prewarmText([older])).toBe('none yet');
});

it('tells how much of failed jobs is kept', () => {
  expect(keptText([{ details: { kept: { workspaces: 22, bytes: 217_088 } } }, { details: {} }])).toBe(
    '22 workspaces, 1 MB',
  );
  expect(keptText([{ details: {} }])).toBe('none yet');
});
