/** The federation's images: built by BuildKit, started as they would be in a job, and ended. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyTexts } from '../../ci/federation/src/protocol/token.ts';
import { buildKitCommand } from '../support/buildkit.ts';
import { adminToken, makeKeys, readToken } from '../support/federation-rig.ts';
import { root } from '../support/repository.ts';

const exec = promisify(execFile);
const mark = `hearth-federation-${randomUUID().slice(0, 8)}`;
const targets = ['hub', 'agent', 'monitor'] as const;
const BUILD_MS = 900_000;

async function docker(...args: readonly string[]): Promise<string> {
  return (await exec('docker', [...args])).stdout.trim();
}

beforeAll(async () => {
  const command = await buildKitCommand();
  const env = { ...process.env, DOCKER_BUILDKIT: '1' };
  for (const target of targets) {
    const args = ['build', '-q', '--target', target, '-t', `${mark}:${target}`, join(root, 'ci/federation')];
    await exec(command, args, { env, timeout: BUILD_MS });
  }
  await docker('network', 'create', mark);
}, BUILD_MS);

afterAll(async () => {
  const left = await docker('ps', '-aq', '--filter', `network=${mark}`);
  if (left !== '') await docker('rm', '-fv', ...left.split('\n'));
  await docker('network', 'rm', mark);
  await docker('rmi', ...targets.map((target) => `${mark}:${target}`));
});

async function start(name: string, target: (typeof targets)[number], settings: Readonly<Record<string, string>>) {
  const env = Object.entries(settings).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  await docker(
    'run',
    '-d',
    '--network',
    mark,
    '--network-alias',
    name,
    '--name',
    `${mark}-${name}`,
    ...env,
    `${mark}:${target}`,
  );
}

const inspect = (name: string, what: string): Promise<string> => docker('inspect', '-f', what, `${mark}-${name}`);
const healthOf = (name: string): Promise<string> => inspect(name, '{{.State.Health.Status}}');

test('hub, agent and monitor get healthy by their own checks, as no root, and end with 0 when asked to', async () => {
  const keys = makeKeys('red/coder');
  const { publicText, privateText } = keyTexts(keys.of('red/coder'));
  await start('hub', 'hub', {
    FEDERATION_AGENT_KEYS: `red/coder=${publicText}`,
    FEDERATION_ADMIN_TOKEN: adminToken,
    FEDERATION_READ_TOKEN: readToken,
  });
  await start('coder', 'agent', {
    FEDERATION_HUB_URL: 'ws://hub:8443',
    FEDERATION_TENANT: 'red',
    FEDERATION_AGENT: 'coder',
    FEDERATION_ROLE: 'coder',
    FEDERATION_AGENT_KEY: privateText,
    FEDERATION_INTERVAL_MS: '200',
    FEDERATION_DURATION_MS: '600000',
  });
  await start('monitor', 'monitor', { FEDERATION_STATS_URL: 'http://hub:8444', FEDERATION_READ_TOKEN: readToken });
  for (const name of ['hub', 'coder', 'monitor']) await expect.poll(() => healthOf(name)).toBe('healthy');

  const health = await docker(
    'exec',
    `${mark}-hub`,
    'node',
    '-e',
    "fetch('http://127.0.0.1:8444/health').then(async (r) => console.log(await r.text()))",
  );
  expect(JSON.parse(health)).toMatchObject({
    status: 'ok',
    checks: {
      memory: { status: 'ok', reason: expect.stringMatching(/^agentdb beside SQLite; .* not semantic$/) as string },
    },
  });
  expect(await docker('exec', `${mark}-hub`, 'stat', '-c', '%u', '/data/hub.db')).toBe('10001');

  for (const name of ['coder', 'monitor', 'hub']) {
    await docker('stop', '-t', '8', `${mark}-${name}`);
    expect(await inspect(name, '{{.State.ExitCode}}')).toBe('0');
  }
  expect(await docker('logs', `${mark}-hub`)).toMatch(/agent disconnected .*reason=goodbye[^]*hub stopped\s*$/);
});

test('a hub without settings says everything that is missing and ends with 2', async () => {
  const ended = exec('docker', ['run', '--rm', `${mark}:hub`]);
  await expect(ended).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/FEDERATION_AGENT_KEYS: .*\n.*FEDERATION_ADMIN_TOKEN: /) as string,
  });
});
