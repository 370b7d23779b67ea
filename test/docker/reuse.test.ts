import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim } from '../../src/core/ports.ts';
import type { Reuse } from '../../src/core/reusable.ts';
import { isAudited } from '../../src/core/reuse.ts';
import { openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const from = { runId: 4711, jobId: 4712, attempt: 1 };
const evidence = { exitCode: 0, logSha256: 'e'.repeat(64), logBytes: 7, droppedBytes: 0 };
const earlier = { from, outputs: { version: '7' }, evidence };
const spec: Partial<JobSpec> = { inputs: ['src/**'], outputs: { version: '${{ steps.v.outputs.version }}' } };

let rig: ExecutorRig;
let sha: string;

beforeAll(async () => {
  rig = await openExecutorRig();
  sha = await rig.commit({ 'src/a.txt': 'a\n', 'docs/b.md': 'b\n' });
});

beforeEach(() => {
  rig.reusable.clear();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

function wanted(script: string, change: Partial<JobSpec> = {}, at = sha): Claim {
  const claim = rig.claim(script, { spec: { ...spec, ...change }, run: { sha: at } });
  const steps = claim.job.spec.steps.map((step) => ({ ...step, id: 'v' }));
  return { ...claim, job: { ...claim.job, spec: { ...claim.job.spec, steps } } };
}

/** Runs it and tells under which key its success stands. */
async function keyOf(claim: Claim): Promise<string> {
  const { finish } = await rig.execute(claim);
  expect(finish).toMatchObject({ outcome: { result: 'success' }, reuse: { kind: 'ran' } });
  return (finish.reuse as Reuse).key;
}

/** The same job under a number for which it is, or is not, run all the same. */
function numbered(claim: Claim, key: string, audited: boolean): Claim {
  for (let id = 100_000; ; id++) {
    const job = { ...claim.job, id };
    if (isAudited(key, job, sha256) === audited) return { ...claim, job };
  }
}

const says = 'echo version=7 >> $GITHUB_OUTPUT; echo it ran';

describe('a job with inputs', () => {
  it('does not run where a result stands for it: no command, no slot, no checkout', async () => {
    const key = await keyOf(wanted(says));
    rig.reusable.set(`T1 ${key}`, earlier);
    const docs = await rig.commit({ 'docs/b.md': 'other\n' });
    const { finish, log } = await rig.execute(numbered(wanted(says, {}, docs), key, false));
    expect(finish).toEqual({
      outcome: { result: 'success', reason: 'exit', message: 'reused from run 4711' },
      ...{ outputs: earlier.outputs, evidence },
      reuse: { kind: 'taken', key, from },
    });
    expect(log).toBe(`hearth: reused from run 4711, whose inputs were the same (${key.slice(0, 12)})\n`);
  });

  it('runs where one of its files, or its command, is another', async () => {
    const key = await keyOf(wanted(says));
    rig.reusable.set(`T1 ${key}`, earlier);
    const changed = await rig.commit({ 'src/a.txt': 'other\n' });
    expect(await keyOf(wanted(says, {}, changed))).not.toBe(key);
    await rig.commit({ 'src/a.txt': 'a\n' });
    expect(await keyOf(wanted(`${says}; true`))).not.toBe(key);
  });

  it('takes nothing over from another class', async () => {
    const key = await keyOf(wanted(says));
    rig.reusable.set(`T1 ${key}`, earlier);
    const plain = wanted(says);
    const branch = numbered({ ...plain, run: { ...plain.run, trust: 'T2' } }, key, false);
    expect((await rig.execute(branch)).finish.reuse).toEqual({ kind: 'ran', key });
    const fork = numbered({ ...plain, run: { ...plain.run, trust: 'T3' } }, key, false);
    rig.reusable.set(`T3 ${key}`, earlier);
    expect((await rig.execute(fork)).finish.reuse).toBeUndefined();
  });

  it('that failed may not be taken over', async () => {
    const { finish } = await rig.execute(wanted('exit 3'));
    expect(finish).toMatchObject({ outcome: { result: 'failure' }, reuse: { kind: 'ran' } });
  });

  it.each([
    ['nothing/**', /^inputs: no file of this commit matches "nothing\/\*\*"; correct the pattern/],
    ['!src/**', /^inputs: its patterns leave no file/],
  ])('whose patterns are %s is an error, and does not run', async (pattern, message) => {
    const { finish, log } = await rig.execute(wanted(says, { inputs: [pattern] }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(finish.outcome.message).toMatch(message);
    expect(log).not.toContain('it ran');
  });
});

describe('an audit', () => {
  it('runs the job, and the result stands when it comes to the same', async () => {
    const key = await keyOf(wanted(says));
    rig.reusable.set(`T1 ${key}`, earlier);
    const { finish, log } = await rig.execute(numbered(wanted(says), key, true));
    expect(log).toMatch(/run 4711 had the same inputs; the job runs all the same.*\n[^]*it ran/);
    expect(finish).toMatchObject({ outcome: { result: 'success' }, reuse: { kind: 'ran', key } });
  });

  it.each([
    ['fails', 'grep -q b docs/b.md || exit 3', 'that one succeeded, and this one did not (step 1: exit 3)'],
    ['gives other outputs', 'echo version=$(cat docs/b.md) >> $GITHUB_OUTPUT', 'its outputs version were others'],
  ])('that %s takes the result away from everybody, and says why', async (_what, script, why) => {
    // It reads a file that `inputs` does not name.
    const first = await rig.execute(wanted(script));
    const { key } = first.finish.reuse as Reuse;
    rig.reusable.set(`T1 ${key}`, { ...earlier, outputs: first.finish.outputs });
    const changed = await rig.commit({ 'src/a.txt': 'a\n', 'docs/b.md': 'another\n' });
    const { finish, log } = await rig.execute(numbered(wanted(script, {}, changed), key, true));
    expect(finish.reuse).toEqual({ kind: 'contradicted', key });
    expect(log).toContain(why);
    expect(log).toContain('Its result depends on something that `inputs` does not name');
  });
});
