/** From a fork's pull request over a comment to its verdict, through the real daemon. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_TOKEN, makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const FORK = 4711;
const writer = { id: 21, login: 'writer' };
const reader = { id: 22, login: 'reader' };
const base = `on: [pull_request]
sidecar: { image: "${TEST_IMAGE}", shm-size: 64m }
jobs:
  test: { run: "cat who; ls -a .hearth" }
`;
let rig: DaemonRig;

beforeAll(async () => {
  rig = await makeDaemonRig();
  rig.github.people.set(writer.login, { id: writer.id, permission: 'write' });
  rig.github.people.set(reader.login, { id: reader.id, permission: 'read' });
  await rig.remote.commit({ '.hearth/main.yml': base, who: 'base\n' });
  await rig.start();
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

/** The head of a pull request from a fork that brings a pipeline file of its own. */
async function fork(number: number, who: string): Promise<string> {
  const files = { '.hearth/main.yml': base.replace('cat who', 'echo taken over'), '.hearth/more.yml': base, who };
  const sha = await rig.remote.commit(files, { branch: `fork-${number}`, ref: `refs/pull/${number}/head` });
  await rig.pullRequest(sha, { number, branch: `topic-${number}`, forkId: FORK });
  await rig.runOf(sha, ({ state }) => state === 'queued');
  return sha;
}

const stateOf = async (sha: string): Promise<string | undefined> => (await rig.runs(`&sha=${sha}`))[0]?.state;
it("a comment of somebody with write access runs the commit it names, by the base's pipeline, and nothing else does", async () => {
  const sha = await fork(31, 'first of the fork\n');
  const other = await fork(32, 'another fork\n');
  await rig.comment(32, `/hearth approve ${other}`, reader);
  await rig.comment(32, `/hearth approve ${sha}`, writer);
  await rig.comment(31, `/hearth approve ${other}`, writer);

  // What is received later is looked at later, so all of the above has had its turn when this has run.
  await rig.comment(31, `/hearth approve ${sha}`, writer);
  const run = await rig.runOf(sha);
  expect(run.outcome?.result).toBe('success');
  expect(run.approved?.by).toContain('writer');
  await expect.poll(() => rig.github.shown(sha)['hearth/main']).toBe('success');
  const log = await (await rig.api(`/logs/${sha}/test`)).text();
  expect(log).toContain('first of the fork\n');
  expect(log).not.toContain('taken over');
  expect(await stateOf(other)).toBe('queued');
});

it('the next commit of a pull request waits anew, and the approval of the one before is not good for it', async () => {
  const before = await fork(33, 'before\n');
  const sha = await fork(33, 'after\n');
  const [run] = await rig.runs(`&sha=${sha}`);
  const approve = (commit: string): Promise<Response> =>
    fetch(`${rig.url()}/api/v1/runs/${run?.id ?? 0}/approve`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ sha: commit }),
    });
  expect((await approve(before)).status).toBe(409);
  expect(await stateOf(sha)).toBe('queued');
  expect((await approve(sha)).status).toBe(200);
  expect((await rig.runOf(sha)).outcome?.result).toBe('success');
});
