import { describe, expect, test } from 'vitest';
import { adminToken, startHttpRig } from '../support/http-rig.ts';

const sha = 'd'.repeat(40);
const bearer = { authorization: `Bearer ${adminToken}` };
const stranger = { 'x-forwarded-for': '203.0.113.9' };

async function json(url: string, init?: RequestInit): Promise<[number, unknown]> {
  const response = await fetch(url, init);
  return [response.status, await response.json()];
}

test('shows a run in the documented shape', async () => {
  await using rig = await startHttpRig({ publicUrl: 'https://ci.example.com' });
  const { run } = await rig.plan(sha, ['build', 'test']);
  await rig.work(run.id, 'build', 'x\n');
  const [status, body] = await json(`${rig.url}/api/v1/runs/${run.id}`);
  expect(status).toBe(200);
  const link = (job: string): string =>
    expect.stringMatching(new RegExp(`^https://ci\\.example\\.com/logs/${sha}/${job}\\?t=`)) as string;
  expect(body).toEqual({
    artifacts: [],
    tests: {},
    images: {},
    workflows: {},
    id: run.id,
    repo: 'octo/hello',
    ref: 'refs/heads/main',
    sha,
    pipeline: 'ci',
    title: 'ci',
    state: 'running',
    waiting_for: null,
    approved: null,
    config: null,
    outcome: null,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    finished_at: null,
    rerun_of: null,
    jobs: [
      {
        name: 'build',
        needs: [],
        phase: null,
        state: 'finished',
        outcome: { result: 'success', reason: 'exit', message: 'passed' },
        attempt: 1,
        from_run: null,
        earlier_attempts: [],
        timings: { queued_ms: expect.any(Number) as number, start_ms: null, run_ms: null },
        log_url: link('build'),
      },
      {
        name: 'test',
        needs: [],
        phase: null,
        state: 'waiting',
        outcome: null,
        attempt: 0,
        from_run: null,
        earlier_attempts: [],
        timings: { queued_ms: null, start_ms: null, run_ms: null },
        log_url: link('test'),
      },
    ],
  });
});

test('lists runs newest first, filtered, page by page', async () => {
  await using rig = await startHttpRig();
  const ids: number[] = [];
  for (let index = 0; index < 5; index++) ids.unshift((await rig.plan(String(index).repeat(40), ['build'])).run.id);
  const listed = async (query: string): Promise<{ ids: number[]; next: string | null }> => {
    const [status, body] = await json(`${rig.url}/api/v1/runs${query}`);
    expect(status).toBe(200);
    const { runs, next } = body as { runs: { id: number }[]; next: string | null };
    return { ids: runs.map(({ id }) => id), next };
  };
  const first = await listed('?limit=2');
  const second = await listed(`?limit=2&cursor=${first.next ?? ''}`);
  const third = await listed(`?limit=2&cursor=${second.next ?? ''}`);
  expect([...first.ids, ...second.ids, ...third.ids]).toEqual(ids);
  expect(third.next).toBeNull();
  expect((await listed(`?sha=${'3'.repeat(40)}&repo=Octo/Hello&branch=main&state=queued`)).ids).toHaveLength(1);
  expect((await listed('?branch=other')).ids).toEqual([]);
});

test.each([
  '?limit=0',
  '?limit=101',
  '?limit=x',
  '?state=lost',
  '?sha=abc',
  '?repo=octo',
  '?cursor=-1',
  '?page=2',
  '?limit=1&limit=2',
])('refuses the query %s and names what is wrong', async (query) => {
  await using rig = await startHttpRig();
  const [status, body] = await json(`${rig.url}/api/v1/runs${query}`);
  expect([status, body]).toEqual([400, { error: expect.stringMatching(/limit|state|sha|repo|cursor|page/) as string }]);
});

test('lists nothing for strangers, and says what they need', async () => {
  await using rig = await startHttpRig();
  const response = await fetch(`${rig.url}/api/v1/runs`, { headers: stranger });
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect((await fetch(`${rig.url}/api/v1/runs`, { headers: { ...stranger, ...bearer } })).status).toBe(200);
});

test.each(['0', '-1', '1.0', '01', '1e3', '99999999999999999999', 'x', '%00', '1;x'])(
  'there is no run %s',
  async (id) => {
    await using rig = await startHttpRig();
    await rig.plan(sha, ['build']);
    expect((await fetch(`${rig.url}/api/v1/runs/${id}`)).status).toBe(404);
  },
);

test('cancels a run for the admin token, and tells the scheduler', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  const url = `${rig.url}/api/v1/runs/${run.id}/cancel`;
  expect(await json(url, { method: 'POST', headers: bearer })).toEqual([
    202,
    { result: 'cancelled', id: run.id, job: null },
  ]);
  expect(rig.cancelled()).toBe(1);
  expect((await rig.store.findRun(run.id))?.run.outcome).toMatchObject({ result: 'cancelled', reason: 'cancelled_by' });
  expect((await json(url, { method: 'POST', headers: bearer }))[0]).toBe(409);
  expect((await json(`${rig.url}/api/v1/runs/999/cancel`, { method: 'POST', headers: bearer }))[0]).toBe(404);
});

test('cancels one job and leaves the others', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build (a/b)', 'test']);
  const [status] = await json(`${rig.url}/api/v1/runs/${run.id}/jobs/${encodeURIComponent('build (a/b)')}/cancel`, {
    method: 'POST',
    headers: bearer,
  });
  expect(status).toBe(202);
  expect((await rig.store.findRun(run.id))?.jobs.map(({ state }) => state)).toEqual(['finished', 'waiting']);
  expect(
    (await json(`${rig.url}/api/v1/runs/${run.id}/jobs/none/cancel`, { method: 'POST', headers: bearer }))[0],
  ).toBe(404);
});

test('changes nothing without the right token, not even for this machine', async () => {
  await using rig = await startHttpRig();
  const { run } = await rig.plan(sha, ['build']);
  for (const authorization of [
    '',
    'Bearer',
    'Bearer wrong',
    `Basic ${adminToken}`,
    `Bearer ${adminToken}x`,
    adminToken,
  ]) {
    const response = await fetch(`${rig.url}/api/v1/runs/${run.id}/cancel`, {
      method: 'POST',
      headers: { authorization },
    });
    expect([response.status, response.headers.get('www-authenticate')], authorization).toEqual([401, 'Bearer']);
  }
  expect((await rig.store.findRun(run.id))?.run.state).toBe('queued');
});

test('without an admin token nothing can be changed, and the answer says what to set', async () => {
  await using rig = await startHttpRig({ parts: { access: { read: 'signed', adminToken: null } } });
  const { run } = await rig.plan(sha, ['build']);
  const [status, body] = await json(`${rig.url}/api/v1/runs/${run.id}/cancel`, {
    method: 'POST',
    headers: { authorization: 'Bearer ' },
  });
  expect([status, body]).toEqual([403, { error: expect.stringContaining('HEARTH_ADMIN_TOKEN') as string }]);
});

describe('POST /api/v1/runs/:id/approve', () => {
  const config = { sha: 'e'.repeat(40), branch: 'main', trust: 'T1' as const, ignored: ['.hearth/ci.yml'] };
  const ofFork = { trust: 'T4' as const, prNumber: 5, config };
  const post = (url: string, body: unknown, headers: Record<string, string> = bearer) =>
    json(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test('lets a run of this sha run, tells the scheduler, and the run shows who and when', async () => {
    const told: unknown[] = [];
    await using rig = await startHttpRig({ parts: { onApproved: (approved) => void told.push(approved) } });
    const { run } = await rig.plan(sha, ['build'], 'ci', ofFork);
    const url = `${rig.url}/api/v1/runs/${run.id}`;
    expect((await json(url))[1]).toMatchObject({
      waiting_for: 'approval',
      approved: null,
      config: { sha: config.sha, branch: 'main', ignored: ['.hearth/ci.yml'] },
    });
    const approved = { result: 'approved', id: run.id, sha, runs: [run.id], by: 'an administrator' };
    expect(await post(`${url}/approve`, { sha: sha.toUpperCase() })).toEqual([200, approved]);
    expect(told).toEqual([{ sha, runs: [run.id], by: 'an administrator' }]);
    const [, after] = await json(url);
    expect(after).toMatchObject({
      waiting_for: null,
      approved: { by: 'an administrator', at: expect.stringMatching(/^\d{4}-/) as string },
    });
    expect(await post(`${url}/approve`, { sha })).toMatchObject([200, { result: 'already approved', runs: [] }]);
    expect(told).toHaveLength(1);
  });

  test('refuses another sha with both of them, and a run that needs no approval', async () => {
    await using rig = await startHttpRig();
    const { run } = await rig.plan(sha, ['build'], 'ci', ofFork);
    const other = 'a'.repeat(40);
    const [status, body] = await post(`${rig.url}/api/v1/runs/${run.id}/approve`, { sha: other });
    expect(status).toBe(409);
    expect(JSON.stringify(body)).toMatch(new RegExp(`${sha}.*${other}`));
    const own = await rig.plan(other, ['build']);
    expect((await post(`${rig.url}/api/v1/runs/${own.run.id}/approve`, { sha: other }))[0]).toBe(409);
    expect((await post(`${rig.url}/api/v1/runs/999/approve`, { sha }))[0]).toBe(404);
    expect((await rig.store.findRun(run.id))?.run.trust).toBe('T4');
  });

  test.each([['no JSON'], [{}], [{ sha: 'd'.repeat(39) }], [{ sha, more: 1 }], [{ sha: 5 }], [[]]])(
    'answers 400 to %j',
    async (body) => {
      await using rig = await startHttpRig();
      const { run } = await rig.plan(sha, ['build'], 'ci', ofFork);
      expect((await post(`${rig.url}/api/v1/runs/${run.id}/approve`, body))[0]).toBe(400);
      expect((await rig.store.findRun(run.id))?.run.trust).toBe('T4');
    },
  );

  test('is for administrators alone, whoever may read', async () => {
    await using rig = await startHttpRig();
    const { run } = await rig.plan(sha, ['build'], 'ci', ofFork);
    const url = `${rig.url}/api/v1/runs/${run.id}/approve`;
    for (const headers of [{}, { authorization: 'Bearer wrong' }, stranger])
      expect((await post(url, { sha }, headers))[0]).toBe(401);
    expect((await rig.store.findRun(run.id))?.run.trust).toBe('T4');
  });
});
