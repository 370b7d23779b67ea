import { describe, expect, it } from 'vitest';
import { judge, type LaneResult } from '../../provision/testing/lane-report.ts';

function lane(changes: Partial<LaneResult> = {}): LaneResult {
  return {
    name: 'unit',
    report: { passed: 3, failed: 0, skipped: 0, unexplained: [] },
    exitCode: 0,
    skipsNeedReasons: false,
    ...changes,
  };
}

describe('the verdict over test lanes', () => {
  it('sums what the lanes observed in one line', () => {
    const other = lane({ report: { passed: 4, failed: 0, skipped: 2, unexplained: [] } });
    expect(judge([lane(), other])).toEqual({ summary: '7 passed, 0 failed, 2 skipped', problems: [], good: true });
  });

  it('is not good when a test failed', () => {
    const verdict = judge([lane({ report: { passed: 2, failed: 1, skipped: 0, unexplained: [] }, exitCode: 1 })]);
    expect(verdict).toEqual({ summary: '2 passed, 1 failed, 0 skipped', problems: [], good: false });
  });

  it('counts a lane that could not run as a failure', () => {
    const verdict = judge([lane(), lane({ name: 'docker', report: undefined, exitCode: 1 })]);
    expect(verdict.summary).toBe('3 passed, 1 failed, 0 skipped');
    expect(verdict.problems).toEqual(['The docker lane could not run; what it printed above says why.']);
  });

  it('counts a lane that ran no test as a failure', () => {
    const verdict = judge([lane({ report: { passed: 0, failed: 0, skipped: 5, unexplained: [] } })]);
    expect(verdict).toMatchObject({ summary: '0 passed, 1 failed, 5 skipped', good: false });
  });

  it('does not believe a lane that ended badly though no test failed', () => {
    expect(judge([lane({ exitCode: 137 })])).toMatchObject({ summary: '3 passed, 1 failed, 0 skipped', good: false });
  });

  it('counts a skip without a reason as a failure where reasons are due, and names the test', () => {
    const report = { passed: 3, failed: 0, skipped: 2, unexplained: ['a slot survives a crash'] };
    expect(judge([lane({ report, skipsNeedReasons: true })])).toEqual({
      summary: '3 passed, 1 failed, 1 skipped',
      problems: ['Skipped without a reason, use skip("why"): a slot survives a crash'],
      good: false,
    });
    expect(judge([lane({ report })])).toMatchObject({ summary: '3 passed, 0 failed, 2 skipped', good: true });
  });
});
