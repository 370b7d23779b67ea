/** What the programs print about themselves. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDebug, debugLine, debugSettings, type DebugLevel } from '../../ci/federation/src/debug/debug.ts';
import { readSettings } from '../../ci/federation/src/settings.ts';

const event = { kind: 'memory', name: 'stored', fields: { n: 1, task: 'say "hi"\n\u001b[31m' } } as const;
const at = new Date('2026-03-01T12:34:56.789Z');
const levels = ['SILENT', 'BASIC', 'DETAILED', 'VERBOSE', 'TRACE'] as const;

test.each([
  ['human', '12:34:56.789 hub memory    stored n=1 task="say \\"hi\\"\\n\\u001b[31m"'],
  ['compact', 'M stored n=1 task="say \\"hi\\"\\n\\u001b[31m"'],
  [
    'json',
    '{"at":"2026-03-01T12:34:56.789Z","source":"hub","kind":"memory","name":"stored","n":1,"task":"say \\"hi\\"\\n\\u001b[31m"}',
  ],
] as const)('as %s an event is one line that cannot steer a terminal', (format, line) => {
  expect(debugLine({ format, source: 'hub', at, event })).toBe(line);
});

test.each(levels.map((level, rank) => [level, rank] as const))(
  '%s prints events up to its level',
  (DEBUG_LEVEL, rank) => {
    const lines: string[] = [];
    const settings = { ...readSettings(debugSettings, {}), DEBUG_LEVEL };
    const debug = createDebug({ settings, source: 'hub', print: (line) => lines.push(line) });
    for (const level of levels.slice(1) as Exclude<DebugLevel, 'SILENT'>[]) debug(level, event);
    expect(lines).toHaveLength(rank);
  },
);

test('to a file, to the console, or both', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-debug-'));
  try {
    const lines: string[] = [];
    const DEBUG_FILE = join(folder, 'debug.log');
    for (const DEBUG_OUTPUT of ['console', 'file', 'both'] as const) {
      const settings = { ...readSettings(debugSettings, {}), DEBUG_OUTPUT, DEBUG_FILE };
      createDebug({ settings, source: 'hub', print: (line) => lines.push(line) })('BASIC', {
        kind: 'task',
        name: DEBUG_OUTPUT,
      });
    }
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual(['console', 'both']);
    expect(
      readFileSync(DEBUG_FILE, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ').at(-1)),
    ).toEqual(['file', 'both']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('wrong settings are told all at once, by name', () => {
  expect(() => readSettings(debugSettings, { DEBUG_LEVEL: 'LOUD', DEBUG_FORMAT: 'xml', DEBUG_OUTPUT: '' })).toThrow(
    /DEBUG_LEVEL: .*SILENT[^]*DEBUG_FORMAT: .*human/,
  );
});
