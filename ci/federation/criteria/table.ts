/** Criteria and targets as a table for people. */
import type { Criterion } from './decide.ts';
import type { Target } from './targets.ts';

export function tableOf(criteria: readonly Criterion[], targets: readonly Target[]): string {
  const rows = [
    ...criteria.map(({ number, name, target, observed, passed }) => {
      return [`${number}`, passed ? 'pass' : 'FAIL', name, target, observed];
    }),
    ...targets.map(({ name, target, observed, isMet }) => {
      return ['', isMet === undefined ? '–' : isMet ? 'met' : 'missed', name, target, observed];
    }),
  ];
  const all = [['', '', 'criterion', 'target', 'observed'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const passed = criteria.filter((criterion) => criterion.passed).length;
  return [...lines, '', `${passed} of ${criteria.length} criteria passed`].join('\n');
}
