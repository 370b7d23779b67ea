import { expect, test } from 'vitest';
import { adminToken, startHttpRig, type HttpRig } from '../support/http-rig.ts';

const sha = 'e'.repeat(40);
const bearer = { authorization: `Bearer ${adminToken}` };

async function ask(
  rig: HttpRig,
  run: number | string,
  body?: string,
  type = 'application/json',
): Promise<[number, unknown]> {
  const response = await fetch(`${rig.url}/api/v1/runs/${run}/rerun`, {
    method: 'POST',
    headers: body === undefined ? bearer : { ...bearer, 'content-type': type },
    ...(body === undefined ? {} : { body }),
  });
  return [response.status, await response.json()];
}

test('a job that is not run again shows the log and the run in which it was observed', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build', 'test']);
  await rig.work(run.id, 'build', 'from the first run\n');
  await rig.work(run.id, 'test', 'tested\n');
  expect(await ask(rig, run.id, '{"job":"test"}')).toEqual([202, { id: run.id + 1, rerun_of: run.id, jobs: ['test'] }]);
  expect(rig.cancelled()).toBe(1);
  const shown = (await (await fetch(`${rig.url}/api/v1/runs/${run.id + 1}`)).json()) as {
    readonly jobs: readonly { readonly log_url: string }[];
  };
  expect(shown).toMatchObject({
    rerun_of: run.id,
    state: 'queued',
    jobs: [
      { name: 'build', from_run: run.id, outcome: { result: 'success' } },
      { name: 'test', from_run: null, outcome: null },
    ],
  });
  const log = `${rig.url}${shown.jobs[0]?.log_url ?? ''}`;
  expect(await (await fetch(log)).text()).toBe('from the first run\n');
  expect(await (await fetch(`${log}&follow=1`)).text()).toBe('from the first run\n');
});

test('without a body everything runs again, once', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  const early = await ask(rig, run.id);
  expect(early).toEqual([409, { error: expect.stringContaining('Cancel it first') as string }]);
  await rig.work(run.id, 'build', 'x\n');
  expect((await ask(rig, run.id))[0]).toBe(202);
  expect(await ask(rig, run.id)).toEqual([409, { error: expect.stringContaining(`as run ${run.id + 1}`) as string }]);
});

test.each([
  ['{', 400, 'must be JSON'],
  ['[]', 400, 'failed or job'],
  ['{"failed":"yes","jobs":1}', 400, 'failed must be true or false; unknown key jobs'],
  ['{"failed":true,"job":"build"}', 400, 'not both'],
  ['{"job":""}', 400, 'job must be the name'],
  ['{"job":"none"}', 404, 'has no job none; its jobs: build'],
  ['{"failed":true}', 409, 'No job of run 1 failed'],
  [`{"job":"${'x'.repeat(20_000)}"}`, 413, 'more than 16384 bytes'],
])('answers %s with %i', async (body, status, message) => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  await rig.work(run.id, 'build', 'x\n');
  expect(await ask(rig, run.id, body)).toEqual([status, { error: expect.stringContaining(message) as string }]);
});

test('refuses a body that does not say that it is JSON', async () => {
  await using rig = await startHttpRig();
  expect(await ask(rig, 1, '{}', 'text/plain')).toEqual([415, { error: 'Send application/json.' }]);
});

test.each(['99', 'x', '0'])('there is no run %s to run again', async (run) => {
  await using rig = await startHttpRig();
  expect((await ask(rig, run))[0]).toBe(404);
});

test('needs the admin token', async () => {
  await using rig = await startHttpRig();
  expect((await fetch(`${rig.url}/api/v1/runs/1/rerun`, { method: 'POST' })).status).toBe(401);
});
