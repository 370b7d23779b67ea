// What a lane observed, as the reporter writes it and the test task reads it.

export type LaneReport = {
  readonly passed: number;
  /** Failed tests, files that could not be loaded, and errors nobody caught. */
  readonly failed: number;
  readonly skipped: number;
  /** Full names of skipped tests that give no reason. */
  readonly unexplained: readonly string[];
};

export type Verdict = {
  /** `123 passed, 0 failed, 4 skipped` */
  readonly summary: string;
  /** Why this is not good, beyond failed tests; one sentence each. */
  readonly problems: readonly string[];
  readonly good: boolean;
};

export type LaneResult = {
  readonly name: string;
  /** Absent when the lane could not run or ended without a report. */
  readonly report: LaneReport | undefined;
  readonly exitCode: number;
  /** Whether each skipped test has to give a reason. */
  readonly skipsNeedReasons: boolean;
};

/**
 * Sums lanes. Whatever was not observed counts as failed: a lane that could not run, ran nothing or ended badly though
 * no test failed is one failure, and so is each skip that had to give a reason and did not.
 */
export function judge(lanes: readonly LaneResult[]): Verdict {
  const problems: string[] = [];
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const lane of lanes) {
    const report = lane.report ?? { passed: 0, failed: 0, skipped: 0, unexplained: [] };
    const unexplained = lane.skipsNeedReasons ? report.unexplained : [];
    const trouble = troubleOf(lane);
    if (trouble !== undefined) problems.push(trouble);
    for (const name of unexplained) problems.push(`Skipped without a reason, use skip("why"): ${name}`);
    total.passed += report.passed;
    total.failed += report.failed + unexplained.length + (trouble === undefined ? 0 : 1);
    total.skipped += report.skipped - unexplained.length;
  }
  return {
    summary: `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`,
    problems,
    good: total.failed === 0,
  };
}

function troubleOf({ name, report, exitCode }: LaneResult): string | undefined {
  if (report === undefined) return `The ${name} lane could not run; what it printed above says why.`;
  if (report.passed + report.failed === 0) return `The ${name} lane ran no test; what it printed above says why.`;
  if (exitCode !== 0 && report.failed === 0) return `The ${name} lane ended with ${exitCode} though no test failed.`;
  return undefined;
}
