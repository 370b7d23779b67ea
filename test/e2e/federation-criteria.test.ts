/** The whole federation as programs: hub, five agents, monitor, and the criteria that judge them. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agents } from '../../ci/federation/agents.ts';
import type { Criterion } from '../../ci/federation/criteria/decide.ts';
import { keyTexts } from '../../ci/federation/src/protocol/token.ts';
import { startHubProgram, startProgram, type Program } from '../support/federation-process.ts';
import { adminToken, makeKeys, readToken, who } from '../support/federation-rig.ts';
import { root } from '../support/repository.ts';

const names = agents.map(({ name }) => name);

interface Judged {
  readonly code: number | null;
  readonly output: string;
  readonly criteria: readonly Criterion[];
}

/** Runs it all; `leftOut` never starts, and without `trespasses` nobody tries another tenant. */
async function judge({ leftOut, trespasses = true }: { leftOut?: string; trespasses?: boolean } = {}): Promise<Judged> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-federation-all-'));
  await using programs = new AsyncDisposableStack();
  programs.defer(() => rmSync(folder, { recursive: true, force: true }));
  const start = (file: string, settings: Readonly<Record<string, string>>): Program =>
    programs.use(startProgram(file, settings));
  const keys = makeKeys(...names);
  const hub = programs.use(await startHubProgram({ databasePath: join(folder, 'hub.db'), keys, names }));
  const statsUrl = `http://127.0.0.1:${hub.healthPort}`;
  const monitor = start('src/monitor/main.ts', {
    ...{ MONITOR_HOST: '127.0.0.1', MONITOR_PORT: '0' },
    ...{ FEDERATION_STATS_URL: statsUrl, FEDERATION_READ_TOKEN: readToken },
  });
  const port = Number((await monitor.line('monitor started'))['port']);
  const resultFile = join(folder, 'result.json');
  const criteria = run({
    FEDERATION_STATS_URL: statsUrl,
    FEDERATION_MONITOR_URL: `http://127.0.0.1:${port}`,
    FEDERATION_ADMIN_TOKEN: adminToken,
    FEDERATION_RESULT: resultFile,
    FEDERATION_DEADLINE_MS: leftOut === undefined ? '60000' : '20000',
  });
  const started = names
    .filter((one) => one !== leftOut)
    .map((name) => {
      const { tenant, agent } = who(name);
      return start('src/agent/main.ts', {
        FEDERATION_HUB_URL: `ws://127.0.0.1:${hub.port}`,
        FEDERATION_TENANT: tenant,
        FEDERATION_AGENT: agent,
        FEDERATION_ROLE: agent === 'isolated' ? 'researcher' : agent,
        FEDERATION_AGENT_KEY: keyTexts(keys.of(name)).privateText,
        FEDERATION_AGENT_DB: join(folder, `${agent}.db`),
        FEDERATION_HEALTH_FILE: join(folder, `${agent}.json`),
        FEDERATION_INTERVAL_MS: '800',
        FEDERATION_DURATION_MS: '9600',
        FEDERATION_WHEN_DONE: 'idle',
        ...(agent === 'isolated' && trespasses ? { FEDERATION_TRESPASS: 'test-collaboration/coder' } : {}),
      });
    });
  const { code, output } = await criteria;
  // A CI service that has ended counts as failed, so agents stay until they are asked to end.
  expect(started.map((agent) => agent.process.exitCode)).toEqual(started.map(() => null));
  expect(await Promise.all([...started, monitor].map((program) => program.end('SIGTERM')))).toEqual(
    [...started, monitor].map(() => 0),
  );
  return { code, output, ...(JSON.parse(readFileSync(resultFile, 'utf8')) as { criteria: readonly Criterion[] }) };
}

function run(
  settings: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings };
  const child = spawn(process.execPath, [join(root, 'ci/federation/criteria.ts')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

/** Which fail, but for the time of a sync: that is the machine's, and other tests share it. */
function failed({ criteria }: Judged): readonly number[] {
  return criteria.filter(({ passed, number }) => !passed && number !== 7).map(({ number }) => number);
}

test('a federation that works meets its criteria, with every value beside its target', async () => {
  const judged = await judge();
  console.log(judged.output);
  expect(failed(judged)).toEqual([]);
  expect(judged.code).toBe(judged.criteria.every(({ passed }) => passed) ? 0 : 1);
  expect(judged.criteria.map(({ observed }) => observed)).toMatchObject({ 2: '60', 3: '48', 4: '12' });
});

test('without anybody who tries another tenant, and with an agent missing, the run fails', async () => {
  const judged = await judge({ leftOut: 'test-collaboration/reviewer', trespasses: false });
  expect(judged.code).toBe(1);
  expect(failed(judged)).toEqual([1, 2, 3, 4, 6, 8, 10]);
  expect(judged.output).toContain('not all agents have said goodbye by the deadline');
  expect(judged.criteria[5]?.observed).toContain('no pull across tenants was tried');
});
