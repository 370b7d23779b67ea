import { execFile } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/core/outcome.ts';
import { openExecutorRig, type ExecutorRig, type Wish } from '../support/executor-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const shmBytes = 64 * 1024 ** 2;

describe('a job', () => {
  let rig: ExecutorRig;

  beforeAll(async () => {
    rig = await openExecutorRig();
  });

  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  it.each<[string, string, Wish, Partial<Outcome>]>([
    [
      'that ends with a code failed with that code',
      'exit 7',
      {},
      { result: 'failure', reason: 'exit', message: 'step 1: exit 7', exitCode: 7 },
    ],
    [
      'that kills itself failed by that signal, and was not short of memory',
      'kill -9 $$',
      {},
      { result: 'failure', reason: 'exit', message: 'step 1: killed by signal 9', exitCode: 137 },
    ],
    [
      'that kills all it can reach does no more than that',
      '(setsid sleep 1000 &); sh -c "kill -9 -1"; sleep 5',
      {},
      { result: 'failure', reason: 'exit', exitCode: 137 },
    ],
    [
      'that takes too long is timed out',
      'sleep 1000',
      { spec: { timeoutMs: 700 } },
      { result: 'failure', reason: 'timeout', message: 'timed out after 0.7 s' },
    ],
    [
      'that takes too much memory is out of memory',
      'tail /dev/zero',
      { sidecar: { kind: 'image', image: TEST_IMAGE, shmBytes, memoryBytes: shmBytes } },
      { result: 'failure', reason: 'oom' },
    ],
    [
      'whose image is not to be had is an error of the image',
      'true',
      { sidecar: { kind: 'image', image: 'hearth.invalid/no-such-image:1', shmBytes } },
      { result: 'error', reason: 'image' },
    ],
    [
      'whose commit is not to be had is an error of the checkout',
      'true',
      { run: { sha: 'f'.repeat(40) } },
      { result: 'error', reason: 'checkout' },
    ],
    [
      'that asks for a cache that nobody defined is an error of the configuration',
      'true',
      { spec: { caches: ['nosuch'] } },
      { result: 'error', reason: 'config' },
    ],
  ])('%s', async (_what, script, wish, outcome) => {
    expect((await rig.execute(rig.claim(script, wish))).finish.outcome).toMatchObject(outcome);
    // Whatever it was, the next one finds all in order.
    const next = await rig.execute(rig.claim('test -z "$(pgrep sleep)" && cat hello.txt'));
    expect(next.finish.outcome).toMatchObject({ result: 'success' });
    expect(rig.errors).toEqual([]);
  });
});

const say = 'i=0; while test $i -lt 3000; do i=$((i+1)); echo "line $i of many"; done';
it.each([
  ['bytes', 'size=40m', `cat /dev/zero > fill; ${say}`],
  ['files', 'size=200m,nr_inodes=2000', `i=0; while (: > f$i) 2>/dev/null; do i=$((i+1)); done; ${say}`],
])('a disk that has no %s left is an error of the disk, and the next job has room again', async (_what, size, fill) => {
  const disk = await mkdtemp(join(tmpdir(), 'hearth-disk-'));
  await exec('mount', ['-t', 'tmpfs', '-o', size, 'tmpfs', disk]);
  const before = process.env['TMPDIR'];
  try {
    process.env['TMPDIR'] = disk;
    await using rig = await openExecutorRig();
    expect((await rig.execute(rig.claim(`${fill}; true`))).finish.outcome).toMatchObject({
      ...{ result: 'error', reason: 'disk' },
      message: expect.stringMatching(/disk.*full.*free some space/) as string,
    });
    expect((await rig.execute(rig.claim('cat hello.txt'))).finish.outcome).toMatchObject({ result: 'success' });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    await exec('umount', [disk]);
    await rmdir(disk);
  }
});
