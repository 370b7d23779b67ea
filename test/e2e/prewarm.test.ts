/** The daemon prepares what the jobs to come will find: seen in the logs of the jobs and in /health. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
let rig: DaemonRig;

beforeAll(async () => {
  rig = await makeDaemonRig();
  await rig.start();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

const head = (shm: number): string => `on: [push]\nsidecar: { image: "${TEST_IMAGE}", shm-size: ${shm}m }\n`;
const logOf = async (sha: string, job: string): Promise<string> => (await rig.api(`/logs/${sha}/${job}`)).text();

it("the first push of a branch finds a slot that was started when it came, for what the default branch's run was made of", async () => {
  const one = await rig.remote.commit({ '.hearth/main.yml': `${head(70)}jobs: { a: { run: echo one } }\n` });
  await rig.push(one);
  await rig.runOf(one);
  expect(await logOf(one, 'a')).toMatch(/^slot: started in \d/m);
  const two = await rig.remote.commit({ x: 'two' }, { branch: 'topic' });
  await rig.push(two, { branch: 'topic' });
  await rig.runOf(two);
  expect(await logOf(two, 'a')).toMatch(/^slot: (?:warm|started in advance)/m);
});

/** The install says through the volume that it runs: without it the first job would never end. */
const chain = (marker: string, install: string): string => `${head(71)}
cache:
  notes: { volume: /notes }
  deps: { key: [deps.lock], paths: [deps], install: "${install}" }
jobs:
  a: { cache: notes, run: "until test -e /notes/${marker}; do sleep 0.05; done" }
  b: { cache: [notes, deps], needs: a, run: cat deps/made }
`;

it('a job that waits for another one finds its layer built and a slot started', async () => {
  const install = 'mkdir deps; echo built-ahead >deps/made; touch /notes/first';
  const files = { '.hearth/main.yml': chain('first', install), 'deps.lock': 'first\n' };
  const sha = await rig.remote.commit(files, { branch: 'chain' });
  await rig.push(sha, { branch: 'chain' });
  expect((await rig.runOf(sha)).outcome?.result).toBe('success');
  const log = await logOf(sha, 'b');
  expect(log).toMatch(/^cache deps: (?:hit|ready) /m);
  expect(log).toMatch(/^slot: (?:warm|started in advance)/m);
  expect(log).toContain('built-ahead');
});

it('a crash while something is prepared leaves nothing behind, and the run goes on', async () => {
  const install = 'mkdir deps; echo again >deps/made; touch /notes/up; until test -e /notes/go; do sleep 0.05; done';
  const files = { '.hearth/main.yml': chain('go', install), 'deps.lock': 'crash\n' };
  const sha = await rig.remote.commit(files, { branch: 'crash' });
  await rig.push(sha, { branch: 'crash' });
  await rig.runOf(sha, ({ jobs }) => jobs.some(({ name, state }) => name === 'a' && state === 'running'));
  const halves = async (): Promise<readonly string[]> =>
    (await readdir(join(rig.data, 'layers'), { recursive: true })).filter((path) => path.includes('.tmp'));
  const notes = await volumeWith('up');
  await rig.kill();
  const before = await slots();
  await rig.start();
  await exec('touch', [join(notes, 'go')]);
  expect((await rig.runOf(sha)).outcome?.result).toBe('success');
  expect(await logOf(sha, 'b')).toContain('again');
  expect(await halves()).toEqual([]);
  // Every container has its folder and every folder its container: none that was begun before the crash hangs about.
  // Slots that nobody wants any more may go meanwhile, so both are looked at anew each time.
  const unlike = async (): Promise<readonly string[]> => {
    const [containers, own] = [await slots(), await folders()];
    return [...containers.filter((id) => !own.includes(id)), ...own.filter((id) => !containers.includes(id))];
  };
  await expect.poll(unlike, { timeout: 10_000 }).toEqual([]);
  expect((await slots()).length).toBeLessThanOrEqual(before.length + 2);
});

it('/health tells how many jobs found a warm slot, their files and their layers', async () => {
  const reasons = async (): Promise<Record<string, { reason: string }>> =>
    ((await (await rig.api('/health')).json()) as { checks: Record<string, { reason: string }> }).checks;
  await expect
    .poll(async () => (await reasons())['slots']?.reason, { timeout: 30_000 })
    .toMatch(
      /^\d+ idle \(repository \d+, T\d, image [0-9a-f]{12}: \d+.*\), 0 held, \d starting; since it started jobs found \d+ warm, \d+ being started in advance, and \d+ cold$/,
    );
  expect((await reasons())['prewarm']?.reason).toMatch(
    /^checkouts: \d+ hit, \d+ miss; layers: \d+ hit, \d+ miss; prepared in advance for [1-9]\d* jobs, 0 failed$/,
  );
});

/** Where the volume lies that holds this file, as soon as one does. */
async function volumeWith(name: string): Promise<string> {
  const { stdout } = await exec('docker', ['info', '--format', '{{.DockerRootDir}}']);
  let found = '';
  await expect
    .poll(async () => {
      found = (await exec('sh', ['-c', `ls -td ${stdout.trim()}/volumes/hearth-*/_data/${name} 2>/dev/null || true`]))
        .stdout;
      return found;
    })
    .not.toBe('');
  return join(found.split('\n')[0] ?? '', '..');
}

async function slots(): Promise<readonly string[]> {
  const own = new Set(await folders());
  const { stdout } = await exec('docker', [
    'ps',
    '-a',
    '--filter',
    'label=hearth.slot',
    '--format',
    '{{.Names}} {{.Label "hearth.data"}}',
  ]);
  const mine = new Set(
    stdout
      .split('\n')
      .filter((line) => [...own].some((id) => line.startsWith(`hearth-${id} `)))
      .map((line) => line.split(' ')[1]),
  );
  return stdout
    .split('\n')
    .filter((line) => mine.has(line.split(' ')[1]))
    .map((line) => (line.split(' ')[0] ?? '').replace('hearth-', ''))
    .sort();
}

async function folders(): Promise<readonly string[]> {
  return (await readdir(join(rig.data, 'slots'))).sort();
}
