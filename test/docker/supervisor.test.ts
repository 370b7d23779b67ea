import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Slot } from '../../src/docker/slot.ts';
import { hasRequest, jobDirectory, readCommandFile, stepStarted, writeRequest } from '../../src/docker/slot-files.ts';
import { reattachSlot, startSlot } from '../../src/docker/slot.ts';
import { openSlotRig, plainStep, TEST_IMAGE, type SlotRig } from '../support/slots.ts';

const run = promisify(execFile);

let rig: SlotRig;
let slot: Slot;

beforeAll(async () => {
  rig = await openSlotRig();
  slot = await rig.slot();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

/** Every process of the slot's container as the host sees it, PID 1 left out. */
async function survivors(of: Slot): Promise<readonly string[]> {
  const { stdout } = await run('docker', ['top', of.record.containerId, '-eo', 'pid,args']);
  return stdout
    .trim()
    .split('\n')
    .slice(1)
    .filter((line) => !line.includes('/.hearth/supervisor'));
}

describe('a step', () => {
  it('reports the exit code and the output of its script', async () => {
    const report = await rig.job(slot, 'echo out; echo err >&2; exit 3');
    expect(report.step).toEqual({ kind: 'exit', code: 3 });
    expect(report.output).toBe('out\nerr\n');
  });

  it('stops at the first failing command of its script', async () => {
    const report = await rig.job(slot, 'false\necho not reached');
    expect(report.step).toEqual({ kind: 'exit', code: 1 });
    expect(report.output).not.toContain('not reached');
  });

  it('reports the signal that killed it', async () => {
    expect((await rig.job(slot, 'kill -SEGV $$')).step).toEqual({ kind: 'signal', signal: 11 });
  });

  it('ends with `timeout` when its time is up, even when it ignores TERM', async () => {
    const report = await rig.job(slot, 'trap "" TERM; while true; do sleep 0.05; done', {
      step: { timeoutMs: 200, graceMs: 100 },
    });
    expect(report.step).toEqual({ kind: 'timeout' });
    expect(await survivors(slot)).toEqual([]);
  });

  it('has a closed standard input and no terminal', async () => {
    const report = await rig.job(slot, 'read line && echo "got $line" || echo closed; test -t 0 || echo no terminal');
    expect(report.output).toBe('closed\nno terminal\n');
  });

  it('may reopen its output by name without cutting off what stands there', async () => {
    const report = await rig.job(slot, 'echo one; echo two > /dev/stdout; echo three | tee /dev/stderr');
    expect(report.output).toBe('one\ntwo\nthree\nthree\n');
  });

  it('says which directory is missing when it cannot enter its own', async () => {
    const report = await rig.job(slot, 'true', { step: { workingDirectory: '/work/absent' } });
    expect(report.step).toEqual({ kind: 'exit', code: 127 });
    expect(report.output).toContain('working directory /work/absent');
  });

  it('runs once however often the order is sent', async () => {
    const report = await rig.job(slot, 'echo ran >> /root/ran-once; sleep 0.2', {
      onNumber: (n) => {
        for (let again = 0; again < 20; again++) slot.runStep(n, 1);
      },
    });
    expect(report.step).toEqual({ kind: 'exit', code: 0 });
    expect((await rig.job(slot, 'cat /root/ran-once')).output).toBe('ran\n');
  });

  it('gets fresh command files and hands what it wrote to the host', async () => {
    const n = slot.nextNumber();
    await rig.workspaces.mount(slot, n, [join(rig.data, 'lower')]);
    await writeRequest(
      slot.directory,
      n,
      1,
      plainStep('echo A=1 >> /.hearth/job/env; echo /opt/x >> /.hearth/job/path'),
    );
    slot.runStep(n, 1);
    await slot.stepEnd(n, 1);
    await writeRequest(slot.directory, n, 2, plainStep('cat /.hearth/job/env; echo B=2 >> /.hearth/job/env'));
    slot.runStep(n, 2);
    await slot.stepEnd(n, 2);
    slot.end(n);
    await slot.ended(n);
    await rig.workspaces.unmount(slot, n);
    expect(await readCommandFile(slot.directory, n, 1, 'env')).toBe('A=1\n');
    expect(await readCommandFile(slot.directory, n, 1, 'path')).toBe('/opt/x\n');
    expect(await readCommandFile(slot.directory, n, 2, 'env')).toBe('B=2\n');
  });

  it('cannot make the host read a link, a pipe or a device in the place of a command file', async () => {
    for (const plant of ['ln -sf /etc/shadow', 'ln -f /.hearth/job/path', 'mkfifo']) {
      const report = await rig.job(slot, `cd /.hearth/job && rm env && ${plant} ${plant === 'mkfifo' ? 'env' : 'env'}`);
      expect(report.step).toEqual({ kind: 'exit', code: 0 });
      expect(await readCommandFile(slot.directory, report.n, 1, 'env')).toBe('');
    }
  });
});

describe('the end of a job', () => {
  it('leaves no process alive, not even one that left its session and its environment behind', async () => {
    const report = await rig.job(
      slot,
      `(env -i setsid sh -c 'trap "" TERM HUP; sleep 1000' &) ; (setsid sh -c '(sleep 1000 &) ; sleep 1000' >/dev/null 2>&1 &)
       for i in 1 2 3 4 5 6 7 8; do (sleep 1000 &) ; done; exit 0`,
    );
    expect(report.step).toEqual({ kind: 'exit', code: 0 });
    expect(await survivors(slot)).toEqual([]);
  });

  it('comes although a process that was left behind holds the output open', async () => {
    const report = await rig.job(slot, 'sleep 1000 & echo done');
    expect(report.output).toBe('done\n');
  });

  it('outruns a fork bomb', async () => {
    const report = await rig.job(slot, 'bomb() { bomb | bomb & }; bomb; while :; do :; done', {
      step: { timeoutMs: 500, graceMs: 0 },
    });
    expect(report.step).toEqual({ kind: 'timeout' });
    expect(await survivors(slot)).toEqual([]);
  });

  it('sweeps temporary files and shared memory, so that the next job finds none', async () => {
    await rig.job(slot, 'mkdir -p /tmp/a/b && touch /tmp/a/b/c /tmp/.hidden /dev/shm/x');
    expect((await rig.job(slot, 'ls -A /tmp /dev/shm')).output).toBe('/dev/shm:\n\n/tmp:\n');
  });

  it('waits for a stop order: TERM first, then KILL after the grace', async () => {
    let number = 0;
    const running = rig.job(slot, 'trap "echo asked; exit 9" TERM; echo ready; while :; do :; done', {
      onNumber: (n) => (number = n),
    });
    await expect
      .poll(() => readFile(join(jobDirectory(slot.directory, number), 'log'), 'utf8').catch(() => ''))
      .toContain('ready');
    slot.stop(number, 5000);
    const report = await running;
    expect(report.step).toEqual({ kind: 'stopped' });
    expect(report.output).toBe('ready\nasked\n');
  });
});

describe('output', () => {
  it('is kept up to the cap, counted past it, and the job goes on', async () => {
    const report = await rig.job(slot, 'head -c 3000000 /dev/zero; echo still here >&2; exit 0', {
      step: { logBytes: 1000 },
    });
    expect(report.step).toEqual({ kind: 'exit', code: 0 });
    expect(report.end).toMatchObject({ writtenBytes: 3_000_011, keptBytes: 1000 });
    expect(report.output).toHaveLength(1000);
  });
});

describe('a job that attacks its slot', () => {
  const attack = async (script: string): Promise<string> =>
    (await rig.job(slot, `{ ${script} ; } 2>&1 || true`)).output;

  it('cannot kill or stop the supervisor', async () => {
    await attack('kill -9 1; kill -STOP 1; kill -TERM 1');
    expect((await rig.job(slot, 'echo alive')).output).toBe('alive\n');
  });

  it.each(['cwd', 'root', 'exe', 'fd/3', 'fd/4'])('cannot follow /proc/1/%s', async (name) => {
    expect(await attack(`cat < /proc/1/${name}`)).toMatch(/Permission denied/);
    expect(await attack(`echo "run 99 1" > /proc/1/${name}`)).toMatch(/Permission denied/);
  });

  it.each(['mem', 'environ', 'maps'])('cannot read /proc/1/%s', async (name) => {
    expect(await attack(`head -c 10 /proc/1/${name}`)).toContain('Permission denied');
  });

  it('does not see the control directory, the layers or the scratch', async () => {
    expect(await attack('ls -A /.hearth/control; cat /proc/self/mountinfo | grep -c hearth-slots')).not.toMatch(
      /ctl|jobs|slot\.json/,
    );
    const mounts = await attack('cat /proc/self/mountinfo');
    expect(mounts).not.toContain(`${rig.data}/slots`);
    expect(mounts).not.toContain('/control');
  });

  it('cannot unmount its workspace or mount anything', async () => {
    expect(await attack('umount /work')).toMatch(/must be superuser|not permitted|denied/i);
    expect(await attack('mount -t tmpfs none /mnt')).toMatch(/not permitted|denied/i);
  });

  it('cannot make device nodes', async () => {
    expect(await attack('mknod /work/sda b 8 0')).toMatch(/not permitted/i);
  });

  it('cannot forge its own result: a file of that name in its workspace is only a file', async () => {
    const report = await rig.job(slot, 'mkdir -p jobs/1/1 && printf "exit 0\\n" > jobs/1/1/rc; exit 7');
    expect(report.step).toEqual({ kind: 'exit', code: 7 });
  });

  it("condemns its slot when it changes the supervisor's limits", async () => {
    const own = await rig.slot();
    const report = await rig.job(own, 'prlimit --pid 1 --nofile=900:900');
    expect(report.step).toEqual({ kind: 'exit', code: 0 });
    expect(report.end.tampered).toBe(true);
  });
});

describe('a process that takes a slot over', () => {
  it('finds the step that went on meanwhile, with its result and its output', async () => {
    const own = await rig.slot();
    const n = own.nextNumber();
    await rig.workspaces.mount(own, n, [join(rig.data, 'lower')]);
    await writeRequest(
      own.directory,
      n,
      1,
      plainStep('echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 4'),
    );
    own.runStep(n, 1);
    await own.started(n, 1);
    own.detach();

    const again = await reattachSlot(own.directory);
    if (again === undefined) throw new Error('the slot was not found');
    expect(await hasRequest(again.directory, n, 1)).toBe(true);
    expect(await stepStarted(again.directory, n, 1)).toBe(true);
    again.runStep(n, 1);
    await writeFile(`/proc/${again.record.process.pid}/root/work/go`, '');
    expect(await again.stepEnd(n, 1)).toEqual({ kind: 'exit', code: 4 });
    again.end(n);
    await again.ended(n);
    expect(await readFile(join(jobDirectory(again.directory, n), 'log'), 'utf8')).toBe('before\nafter\n');
    again.detach();
  });

  it('does not take over a slot whose container was started anew', async () => {
    const own = await rig.slot();
    own.detach();
    await run('docker', ['restart', '-t', '0', own.record.containerId]);
    expect(await reattachSlot(own.directory)).toBeUndefined();
  });

  it('learns of the loss when the container dies under a running step', async () => {
    const own = await rig.slot();
    const running = rig.job(own, 'sleep 1000');
    const refused = expect(running).rejects.toThrow(/container is gone/);
    await run('docker', ['kill', own.record.containerId]);
    await refused;
  });
});

it('a slot whose container ends at once is refused within moments, and nothing of it is left', async () => {
  const broken: SlotRig['parts'] = { ...rig.parts, supervisor: '/bin/false' };
  const image = await rig.engine.image(TEST_IMAGE);
  const spec = { ...slot.record.spec, imageId: image?.id ?? '' };
  await expect(startSlot(broken, 'broken', spec)).rejects.toThrow(/container ended|gone/);
  await expect(stat(join(rig.parts.root, 'broken'))).rejects.toThrow('ENOENT');
});
