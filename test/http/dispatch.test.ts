import { describe, expect, test } from 'vitest';
import { adminToken, startHttpRig, type HttpRig } from '../support/http-rig.ts';

const sha = 'e'.repeat(40);

async function post(
  rig: HttpRig,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<[number, Record<string, unknown>]> {
  const response = await fetch(`${rig.url}/api/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${adminToken}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return [response.status, (await response.json()) as Record<string, unknown>];
}

const order = { repo: 'Octo/hello', ref: 'main', pipeline: 'ci', inputs: { dry: true, version: '1.10' } };

describe('POST /api/v1/runs', () => {
  test('stores the order before it answers, and says where to follow it', async () => {
    await using rig = await startHttpRig();
    await rig.plan(sha, ['build']);
    const [status, answer] = await post(rig, order);
    expect([status, answer]).toEqual([
      202,
      { ...order, intake: expect.any(Number) as number, event: 'workflow_dispatch', repo: 'octo/hello', sha: null },
    ]);
    expect(rig.accepted()).toBe(1);
    const [intake] = await rig.store.unplannedIntakes(new Date(), 10);
    expect(intake).toMatchObject({
      id: answer['intake'],
      kind: 'asked',
      repo: { id: 10 },
      defaultBranch: 'main',
      asked: { ref: 'main', sha: null, pipeline: 'ci', inputs: order.inputs, time: null },
    });
    const url = `${rig.url}/api/v1/intakes/${String(answer['intake'])}`;
    const shown = { id: answer['intake'], event: 'workflow_dispatch', repo: 'octo/hello' };
    expect(await (await fetch(url)).json()).toEqual({ ...shown, state: 'waiting', note: null, runs: [] });
    if (intake !== undefined)
      await rig.store.applyPlan(intake, { runs: [], ends: [], note: 'There is no branch.' }, new Date());
    expect(await (await fetch(url)).json()).toEqual({
      ...shown,
      state: 'planned',
      note: 'There is no branch.',
      runs: [],
    });
    expect((await fetch(url, { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(401);
    expect((await fetch(`${rig.url}/api/v1/intakes/999`)).status).toBe(404);
  });

  test('with one Idempotency-Key is one order, however often it is sent', async () => {
    await using rig = await startHttpRig();
    await rig.plan(sha, ['build']);
    const key = { 'idempotency-key': 'release-7' };
    const [first, one] = await post(rig, order, key);
    const [second, two] = await post(rig, order, key);
    expect([first, second, two['intake']]).toEqual([202, 200, one['intake']]);
    expect((await post(rig, { ...order, ref: 'other' }, key))[0]).toBe(409);
    expect(await rig.store.unplannedIntakes(new Date(), 10)).toHaveLength(1);
    expect((await post(rig, order))[0]).toBe(202);
    expect(await rig.store.unplannedIntakes(new Date(), 10)).toHaveLength(2);
  });

  test('names everything that is wrong with the body at once', async () => {
    await using rig = await startHttpRig();
    const [status, { error }] = await post(
      rig,
      { repo: 'hello', sha: 'abc', inputs: { a: [] }, branch: 'x' },
      { 'idempotency-key': 'a b' },
    );
    expect(status).toBe(400);
    expect(error).toBe(
      'Idempotency-Key must be 1 to 200 visible characters; repo must be owner/name; ref is missing; sha must be 40 hex digits; ' +
        'inputs.a must be text, a number, true or false; unknown key branch; known are repo, ref, sha, pipeline, inputs.',
    );
    expect((await post(rig, '{'))[1]).toEqual({ error: 'The body must be JSON.' });
    expect((await post(rig, '[]'))[1]).toEqual({ error: 'The body must be a JSON object with repo and ref.' });
  });

  test.each([
    ['a'.repeat(40), 'give the commit as "sha"'],
    ['refs/pull/7/head', 'refs/heads/… or refs/tags/…'],
    ['-x', 'must be the name'],
    ['a..b', 'must be the name'],
    ['+main:other', 'must be the name'],
  ])('refuses the ref %s', async (ref, message) => {
    await using rig = await startHttpRig();
    const [status, { error }] = await post(rig, { repo: 'octo/hello', ref });
    expect([status, error]).toEqual([400, expect.stringContaining(message)]);
  });

  test('is for administrators, and for repositories that are allowed and known', async () => {
    await using rig = await startHttpRig();
    expect((await post(rig, order, { authorization: 'Bearer wrong' }))[0]).toBe(401);
    expect((await post(rig, order, { 'content-type': 'text/plain' }))[0]).toBe(415);
    expect(await post(rig, { repo: 'evil/hello', ref: 'main' })).toEqual([
      422,
      { error: 'evil/hello is not on the allow-list; add it to HEARTH_REPOS to run it here.' },
    ]);
    expect(await post(rig, order)).toEqual([
      404,
      { error: expect.stringContaining('Hearth has not heard from Octo/hello yet.') as string },
    ]);
    expect((await post(rig, { ...order, pipeline: 'x'.repeat(300_000) }))[0]).toBe(413);
    expect(await rig.store.unplannedIntakes(new Date(), 10)).toEqual([]);
  });
});
