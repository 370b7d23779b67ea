/**
 * `node criteria.ts`: watches a running federation to its end and judges it by the ten criteria. Prints a table and
 * writes all of it, with every sync, as JSON. Exit code: 0 when all passed, 1 otherwise, 2 for wrong settings.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { agents } from './agents.ts';
import { decide } from './criteria/decide.ts';
import { observe } from './criteria/observe.ts';
import { tableOf } from './criteria/table.ts';
import { targetsOf } from './criteria/targets.ts';
import { runProgram } from './src/program.ts';
import { identityFrom } from './src/protocol/names.ts';
import { numberSetting, readSettings, urlSetting } from './src/settings.ts';

const settings = {
  FEDERATION_STATS_URL: urlSetting('http:', 'https:'),
  FEDERATION_MONITOR_URL: urlSetting('http:', 'https:'),
  FEDERATION_ADMIN_TOKEN: z.string('is missing; keys.ts prints it'),
  FEDERATION_DEADLINE_MS: numberSetting(1000, 86_400_000).default(180_000),
  FEDERATION_RESULT: z.string().default('federation-result.json'),
  FEDERATION_PICTURE: z.string().optional(),
  FEDERATION_CHROMIUM: z.string().default('/usr/bin/chromium'),
};

await runProgram(async () => {
  const given = readSettings(settings, process.env);
  const folder = mkdtempSync(join(tmpdir(), 'federation-criteria-'));
  try {
    const seen = await observe({
      expected: agents.map(({ name }) => identityFrom(name)).filter((identity) => identity !== undefined),
      statsUrl: given.FEDERATION_STATS_URL.replace(/\/$/, ''),
      monitorUrl: given.FEDERATION_MONITOR_URL.replace(/\/$/, ''),
      adminToken: given.FEDERATION_ADMIN_TOKEN,
      chromiumPath: given.FEDERATION_CHROMIUM,
      deadlineMs: given.FEDERATION_DEADLINE_MS,
      databaseFile: join(folder, 'hub.db'),
      pictureFile: given.FEDERATION_PICTURE,
      say: (line) => console.log(line),
    });
    const [criteria, targets] = [decide(seen), targetsOf(seen)];
    const passed = criteria.every((criterion) => criterion.passed);
    const { syncs, page, summaries } = seen;
    const result = { at: new Date().toISOString(), passed, criteria, targets, syncs, page, summaries };
    writeFileSync(given.FEDERATION_RESULT, `${JSON.stringify(result, undefined, 2)}\n`);
    console.log(`\n${tableOf(criteria, targets)}`);
    return passed ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
