import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunJson } from '../../src/http/api-shapes.ts';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

let rig: DaemonRig;

beforeAll(async () => {
  rig = await makeDaemonRig();
  await rig.start();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

const pipeline = [
  `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\njobs:\n`,
  '  build:\n    inputs: ["src/**"]\n    artifacts: { out: out }\n    outputs: { size: "${{ steps.s.outputs.size }}" }\n',
  '    steps:\n      - { id: s, run: "echo building; mkdir out; cp src/a out/; echo size=5 >> $GITHUB_OUTPUT" }\n',
  '  test:\n    needs: build\n    run: cat out/a; echo size ${{ needs.build.outputs.size }}\n',
].join('');

async function push(files: Readonly<Record<string, string>>): Promise<RunJson> {
  const sha = await rig.remote.commit(files);
  await rig.push(sha);
  return rig.runOf(sha);
}

const buildOf = (run: RunJson) => run.jobs.find(({ name }) => name === 'build');
const isReused = (run: RunJson): boolean => buildOf(run)?.outcome?.message.startsWith('reused from run') === true;

it('takes an earlier result over for as long as its inputs are the same, and hands it on', async () => {
  const first = await push({ '.hearth/main.yml': pipeline, 'src/a': 'one\n', 'docs/b': '1' });
  expect(first.outcome).toMatchObject({ result: 'success', message: '2 jobs passed' });

  // One in twenty is an audit, and runs.
  let second = await push({ 'docs/b': '2' });
  for (let n = 3; !isReused(second); n++) second = await push({ 'docs/b': String(n) });
  const from = buildOf(second)?.from_run ?? 0;
  expect(from).toBeGreaterThan(0);
  expect(from).toBeLessThan(second.id);
  expect(buildOf(second)).toMatchObject({
    outcome: { result: 'success', message: `reused from run ${from}` },
    timings: { start_ms: null },
  });
  expect(second.outcome).toMatchObject({ result: 'success', message: '2 jobs passed' });
  await expect
    .poll(() =>
      rig.github.statuses.findLast(({ sha, context }) => sha === second.sha && context === 'hearth/main/build'),
    )
    .toMatchObject({ state: 'success', description: `reused from run ${from}` });
  const logOf = async (job: string): Promise<string> => (await rig.api(`/logs/${second.sha}/${job}`)).text();
  expect(await logOf('test')).toContain('one\nsize 5\n');
  expect(await logOf('build')).toContain('building\n');

  const third = await push({ 'src/a': 'two\n' });
  expect(isReused(third)).toBe(false);
  expect(await (await rig.api(`/logs/${third.sha}/test`)).text()).toContain('two\nsize 5\n');
});

it('runs everything when it is asked to run once more', async () => {
  const [newest] = await rig.runs();
  const asked = await fetch(`${rig.url()}/api/v1/runs/${newest?.id ?? 0}/rerun`, {
    method: 'POST',
    headers: { authorization: 'Bearer admin-token-for-tests', 'content-type': 'application/json' },
    body: '{}',
  });
  expect(asked.status).toBeLessThan(300);
  await expect.poll(async () => (await rig.runs())[0]?.state, { timeout: 30_000 }).toBe('finished');
  const [again] = await rig.runs();
  expect(again?.rerun_of).toBe(newest?.id);
  expect(isReused(again as RunJson)).toBe(false);
});
