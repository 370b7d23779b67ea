import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaneReport, LaneResult } from './lane-report.ts';
import type { Lane } from './lanes.ts';

/**
 * Runs one lane in its own Vitest with this terminal and resolves to what it observed. `filters` go to Vitest. On
 * `signal` the lane is asked to end; it then counts as not run.
 */
export async function runLane(lane: Lane, filters: readonly string[], signal: AbortSignal): Promise<LaneResult> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-lane-'));
  const reportFile = join(folder, 'report.json');
  try {
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--project', lane.name, ...filters];
    const exitCode = await runToEnd(args, { HEARTH_LANE_REPORT: reportFile }, signal);
    const report = signal.aborted ? undefined : readReport(reportFile);
    return { name: lane.name, report, exitCode, skipsNeedReasons: lane.docker };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runToEnd(args: readonly string[], env: Record<string, string>, signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    const stop = (): boolean => child.kill('SIGTERM');
    signal.addEventListener('abort', stop, { once: true });
    child.once('error', () => resolve(127));
    child.once('exit', (code, by) => {
      signal.removeEventListener('abort', stop);
      resolve(code ?? 128 + (by === null ? 0 : constants.signals[by]));
    });
  });
}

function readReport(file: string): LaneReport | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LaneReport;
  } catch {
    // No report means that Vitest did not come to its end: the caller reports the lane as not run.
    return undefined;
  }
}
