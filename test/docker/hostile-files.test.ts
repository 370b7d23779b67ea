/** Files that jobs leave behind: nested deeper than paths can say, called what is no text. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArtifactSpec } from '../../src/core/pipeline/artifact-schema.ts';
import { openExecutorRig, type Execution, type ExecutorRig } from '../support/executor-rig.ts';
import { makeStep } from '../support/make.ts';

const DAY = 86_400_000;
/** 40 folders of 200 letters each. */
const DEEP =
  'name=$(printf "d%.0s" $(seq 200)); mkdir dist; cd dist; for i in $(seq 40); do mkdir $name; cd $name; done; touch leaf; ';
const NO_TEXT = String.raw`"$(printf 'a\377b.xml')"`;
const TOO_DEEP = 'folders in it are nested too deep for a path (4096 bytes); name the part of them that is wanted';

let rig: ExecutorRig;

beforeAll(async () => {
  // What is kept of a failed job goes as soon as anybody looks.
  rig = await openExecutorRig(undefined, { bytes: 1024 ** 3, ms: 0 });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
});

async function leaving(script: string, change: Partial<ArtifactSpec>, publish?: readonly string[]): Promise<Execution> {
  const artifact = {
    name: 'dist',
    paths: ['dist'],
    when: 'success',
    expireMs: DAY,
    isOptional: false,
    isJunit: false,
  } as const;
  const steps = [makeStep(script, { name: 'maker', ...(publish === undefined ? {} : { publish }) })];
  return rig.execute(rig.claim('', { spec: { steps, artifacts: [{ ...artifact, ...change }] } }));
}

const folders = (name: string): Promise<readonly string[]> => readdir(join(rig.data, name)).catch(() => []);

describe('folders that are nested deeper than paths can say', () => {
  it.each(['T1', 'T3'] as const)('go with the workspace of their job (%s), which ends as it did', async (trust) => {
    const { finish } = await rig.execute(rig.claim(DEEP, { trust }));
    expect(finish.outcome).toMatchObject({ result: 'success' });
    expect(await folders('scratch')).toEqual([]);
  });

  it('go with what was kept of a failed job, and do not keep a worker from starting', async () => {
    const failing = rig.claim(`${DEEP}exit 3`);
    expect((await rig.execute(failing)).finish.outcome).toMatchObject({ result: 'failure' });
    expect(await folders('kept/10/T1')).toHaveLength(1);
    const running = rig.claim(`${DEEP}echo made; sleep 1000`);
    await (await rig.begin(running, 'made')).leave();
    await rig.restart([]);
    expect(await folders('kept/10/T1')).toEqual([]);
    expect(await folders('scratch')).toEqual([]);
  });

  it('are refused as an artifact, with the reason', async () => {
    for (const paths of [['dist'], ['dist/**/leaf']])
      expect((await leaving(DEEP, { paths })).finish.outcome).toEqual({
        ...{ result: 'error', reason: 'config', message: `artifacts.dist: ${TOO_DEEP}` },
      });
    expect((await leaving(DEEP, {}, ['dist'])).finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
  });
});

it('a hundred thousand files go without holding up everything else', async () => {
  const claim = rig.claim('mkdir many; cd many; seq 100000 | xargs touch; echo made; sleep 1000');
  const running = await rig.begin(claim, 'made');
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  await running.leave();
  await rig.restart([]);
  delays.disable();
  expect(await folders('scratch')).toEqual([]);
  expect(delays.max / 1e6).toBeLessThan(1_000);
});

it('reports of more than 64 MiB are not read to their end, since everything else would wait', async () => {
  const large =
    "echo '<testsuite><testcase name=\"a\"/>'; head -c 32000000 /dev/zero | tr '\\0' ' '; echo '</testsuite>'";
  const { finish } = await leaving(`mkdir dist; for n in 1 2 3 4; do (${large}) >dist/$n.xml; done`, { isJunit: true });
  expect(finish).toMatchObject({
    outcome: { result: 'error', message: 'artifacts.dist: 4 reports, of which only the first 64 MiB were read' },
    tests: { total: 3 },
  });
});

describe('a file whose name is no text', () => {
  const report = `echo "<testsuite><testcase name='a'/></testsuite>"`;

  it('is kept with its folder, counted, and read as a report', async () => {
    const { finish } = await leaving(`mkdir dist; ${report} >dist/${NO_TEXT}`, { isJunit: true });
    expect(finish).toMatchObject({
      outcome: { result: 'success' },
      artifacts: [{ name: 'dist', files: 1 }],
      tests: { total: 1 },
    });
  });

  it('is refused where it would have to be named, and never left out in silence', async () => {
    const { finish } = await leaving(`mkdir dist; ${report} >dist/${NO_TEXT}`, { paths: ['dist/*.xml'] });
    expect(finish.outcome).toEqual({
      result: 'error',
      reason: 'config',
      message:
        'artifacts.dist: the name of dist/a\uFFFDb.xml is not UTF-8; name the folder it is in, as a whole, or rename it',
    });
  });

  it('counts for hashFiles', async () => {
    const steps = [
      makeStep(`mkdir dist; echo one >dist/${NO_TEXT}`),
      makeStep('echo "[${{ hashFiles(\'dist/*.xml\') }}]"'),
    ];
    const { log } = await rig.execute(rig.claim('', { spec: { steps } }));
    expect(log).toMatch(/\[[0-9a-f]{64}\]/);
  });
});

describe('without overlays', () => {
  it('such files are gone before the next job', async () => {
    await using copying = await openExecutorRig({ mode: 'open', allow: [] }, undefined, { isRoot: false });
    const first = copying.claim(`${DEEP}touch /work/${NO_TEXT}`);
    expect((await copying.execute(first)).finish.outcome).toMatchObject({ result: 'success' });
    const { log } = await copying.execute(copying.claim('ls -A'));
    expect(log).toBe('▸ step 1\n.git\ndeps.lock\nhello.txt\n');
  });
});
