import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
let rig: DaemonRig;
let sha: string;

const pipeline = `on:
  push: { branches: [never] }
  schedule: [{ cron: '0 0 1 1 *' }]
  workflow_dispatch:
    inputs:
      code: { type: number, default: 0 }
      word: { required: true }
sidecar:
  image: ${TEST_IMAGE}
  shm-size: 64m
jobs:
  a:
    steps:
      - run: echo "$GITHUB_EVENT_NAME $WORD \${{ github.event.schedule }}"; exit \${{ inputs.code || 0 }}
        env: { WORD: '\${{ inputs.word }}' }
`;

beforeAll(async () => {
  rig = await makeDaemonRig();
  await rig.start();
  sha = await rig.remote.commit({ '.hearth/main.yml': pipeline });
  expect((await rig.push(sha)).status).toBe(202);
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

async function hearth(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], HEARTH_URL: rig.url(), HEARTH_ADMIN_TOKEN: ADMIN_TOKEN, HEARTH_CONFIG: '' };
  const main = join(import.meta.dirname, '../../src/main.ts');
  return exec(process.execPath, [main, ...args], { env }).then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    },
  );
}

describe('hearth trigger', () => {
  it('starts a pipeline, waits for it and exits by its verdict', async () => {
    const good = await hearth('trigger', 'codertocat/hello-world', 'main', '--input', 'word=hello', '--wait');
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(good.out).toMatch(/^Run (\d+): main at [0-9a-f]{7}\n {2}a {2}\S+\n✔ Run \1: main: success: 1 job passed\n$/);
    expect((await hearth('logs', sha)).out).toContain('workflow_dispatch hello \n');
    const bad = await hearth('trigger', 'codertocat/hello-world', sha.slice(0, 4), '-f');
    expect(bad).toMatchObject({ code: 1, err: expect.stringContaining('There is no branch or tag') as string });
    const failing = ['--pipeline', 'main', '--sha', sha, '--input', 'word=x', '--input', 'code=3', '-f'];
    const third = await hearth('trigger', 'codertocat/hello-world', 'main', ...failing);
    expect(third).toMatchObject({ code: 1, out: expect.stringContaining('failure') as string });
  });

  it('says what is wrong with the inputs', async () => {
    const said = await hearth('trigger', 'Codertocat/Hello-World', 'main', '--input', 'wrod=x', '--input', 'code=many');
    expect(said.code).toBe(1);
    expect(said.out).toContain('There is no input wrod. Did you mean "word"?');
    expect(said.out).toContain('The input word is required.');
    expect(said.out).toContain('The input code must be a number.');
    expect((await hearth('trigger', 'someone/else', 'main')).code).toBe(2);
  });
});

describe('a time of the timetable', () => {
  it('that comes becomes a run on the default branch', async () => {
    const database = new Database(join(rig.data, 'hearth.db'));
    try {
      const moved = database.prepare('update timetable set next_at = ?').run(Date.now() - 1000);
      expect(moved.changes).toBe(1);
    } finally {
      database.close();
    }
    const scheduled = async () => {
      const runs = await rig.runs(`&sha=${sha}`);
      const newest = runs[0];
      if (newest?.state !== 'finished') return '';
      return (await rig.api(new URL(newest.jobs[0]?.log_url ?? '').pathname)).text();
    };
    await expect.poll(scheduled, { timeout: 30_000 }).toContain('schedule  0 0 1 1 *');
  });
});
