// `test.ts`: the everyday lanes. `test.ts LANE [FILTERS]`: one lane, FILTERS as for Vitest. The last line printed is
// `N passed, N failed, N skipped`; the exit code is 0 only when all that was asked for was observed and good.
import { judge, type LaneResult } from '../testing/lane-report.ts';
import { EVERYDAY_LANES, LANES, type Lane } from '../testing/lanes.ts';
import { runLane } from '../testing/run-lane.ts';

const [named, ...filters] = process.argv.slice(2);
const names: readonly string[] = named === undefined ? EVERYDAY_LANES : [named];
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

const results: LaneResult[] = [];
for (const name of names) {
  const lane = laneNamed(name);
  if (lane === undefined || interrupted.signal.aborted) break;
  results.push(await runLane(lane, filters, interrupted.signal));
}

if (results.length === 0) {
  console.error(`No lane "${named}".\n→ Use one of: ${LANES.map((lane) => lane.name).join(', ')}`);
  process.exitCode = 2;
} else if (interrupted.signal.aborted) {
  console.error('Interrupted: nothing is known about this run.');
  process.exitCode = 130;
} else {
  const verdict = judge(results);
  for (const problem of verdict.problems) console.error(problem);
  console.log(verdict.summary);
  process.exitCode = verdict.good ? 0 : 1;
}

function laneNamed(name: string): Lane | undefined {
  return LANES.find((lane) => lane.name === name);
}
