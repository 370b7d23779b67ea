import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const exec = promisify(execFile);
let temporary: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'hearth-of-demo-'));
});

afterAll(async () => {
  await rm(temporary, { recursive: true, force: true });
});

interface Demo {
  readonly said: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<number | null>;
}

function startDemo(...args: readonly string[]): Demo {
  const main = join(import.meta.dirname, '../../src/demo/main.ts');
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], TMPDIR: temporary, HOME: temporary },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (said += part.toString()));
  return {
    said: () => said,
    kill: (signal) => child.kill(signal),
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}

/** Containers of slots whose data is in our folder; other tests have slots of their own. */
async function slotsLeft(): Promise<readonly string[]> {
  const format = '{{range .Mounts}}{{.Source}} {{end}}';
  const { stdout } = await exec('docker', ['ps', '-aq', '--filter', 'label=hearth.slot']);
  const ids = stdout.split('\n').filter((id) => id !== '');
  const mounts = await Promise.all(
    ids.map((id) =>
      exec('docker', ['inspect', '--format', format, id]).then(
        (one) => one.stdout,
        () => '',
      ),
    ),
  );
  return mounts.filter((text) => text.includes(temporary));
}

describe('the demo', () => {
  it('ends with the verdict, names every job with its time and every status, and leaves nothing', async () => {
    const demo = startDemo('--once');
    expect(await demo.ended).toBe(0);
    expect(demo.said()).toMatch(/✔ \S+ +[\d.]+ s/);
    expect(demo.said()).toMatch(/hearth\/\S+ +success/);
    expect(await slotsLeft()).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('exits 1 when a test fails, and shows its output', async () => {
    const demo = startDemo('--once', '--fail');
    expect(await demo.ended).toBe(1);
    expect(demo.said()).toMatch(/✘ /);
    expect(demo.said()).toMatch(/hearth\/\S+ +failure/);
  });

  it.each([
    ['in the middle of a push', 'A first push'],
    ['when it waits', 'Ctrl-C ends it'],
  ])('cleans up after Ctrl-C %s, although npm sends the signal a second time', async (_when, text) => {
    const demo = startDemo();
    await expect.poll(demo.said, { timeout: 20_000, interval: 20 }).toContain(text);
    demo.kill('SIGINT');
    await expect.poll(demo.said).toContain('Stopping');
    demo.kill('SIGINT');
    expect(await demo.ended).toBe(130);
    expect(await slotsLeft()).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });
});
