/** How verbs lay out text for a terminal. */
import type { LaneSpec } from '../core/lane/lane-spec.ts';
import type { JobJson, RunJson } from '../http/api-shapes.ts';

/** Left-aligned columns, two spaces apart, one row per line. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `0.4 s`, `12 s`, `3 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(ms < 100 ? 3 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The result with its reason where that says more, or the state while there is none. */
export function outcomeWord(
  of: Pick<RunJson | JobJson, 'outcome' | 'state'> & Partial<Pick<RunJson, 'waiting_for'>>,
): string {
  const { outcome, state, waiting_for: awaited } = of;
  if (awaited === 'approval') return 'waits for approval';
  if (outcome === null) return state;
  return outcome.reason === 'exit' ? outcome.result : `${outcome.result} (${outcome.reason.replace('_', ' ')})`;
}

/** For a job that runs as a workflow of GitHub; empty for one that runs here. */
export function laneText(lane: Pick<LaneSpec, 'workflow'> | undefined): string {
  return lane === undefined ? '' : `  on GitHub: ${lane.workflow}`;
}
