import { createHash } from 'node:crypto';
import { mkdir, open, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityOf } from '../../src/docker/process-identity.ts';
import type { Slot } from '../../src/docker/slot.ts';
import { openWorkspaces } from '../../src/docker/workspace.ts';
import { writeRequest } from '../../src/docker/slot-files.ts';
import { openSlotRig, plainStep, type SlotRig } from '../support/slots.ts';

let rig: SlotRig;
let slot: Slot;

beforeAll(async () => {
  rig = await openSlotRig();
  slot = await rig.slot();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

async function layer(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(rig.data, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(path, file, '..'), { recursive: true });
    await writeFile(join(path, file), text);
  }
  return path;
}

describe('an overlay workspace', () => {
  it('stacks its layers, the first on top, and never writes to them', async () => {
    const top = await layer('top', { 'a.txt': 'top', 'deps/x': 'x' });
    const bottom = await layer('bottom', { 'a.txt': 'bottom', 'b.txt': 'b' });
    const report = await rig.job(slot, 'cat a.txt b.txt deps/x; echo changed > b.txt; rm a.txt; touch deps/new', {
      lowers: [top, bottom],
    });
    expect(report.output).toBe('topbx');
    expect(await readFile(join(bottom, 'b.txt'), 'utf8')).toBe('b');
    expect(await readFile(join(top, 'a.txt'), 'utf8')).toBe('top');
    await expect(stat(join(top, 'deps/new'))).rejects.toThrow('ENOENT');
  });

  it('is fresh for every job', async () => {
    const lower = await layer('fresh', { 'a.txt': 'a' });
    await rig.job(slot, 'echo junk > junk; echo b > a.txt', { lowers: [lower] });
    expect((await rig.job(slot, 'ls; cat a.txt', { lowers: [lower] })).output).toBe('a.txt\na');
  });

  it('lets two slots write the same names over the same layers at once', async () => {
    const lower = await layer('shared', { 'same.txt': 'lower' });
    const other = await rig.slot();
    const script = (who: string): string =>
      `for i in $(seq 1 200); do echo ${who} > same.txt; test "$(cat same.txt)" = ${who} || exit 9; done; ls`;
    const [a, b] = await Promise.all([
      rig.job(slot, script('one'), { lowers: [lower] }),
      rig.job(other, script('two'), { lowers: [lower] }),
    ]);
    expect([a.step, b.step]).toEqual([
      { kind: 'exit', code: 0 },
      { kind: 'exit', code: 0 },
    ]);
    expect(await readFile(join(lower, 'same.txt'), 'utf8')).toBe('lower');
  });

  it('keeps renames of lower folders, hard links and times working', async () => {
    const lower = await layer('renames', { 'src/deep/file': 'f' });
    await symlink('deep', join(lower, 'src/link'));
    const before = (await stat(join(lower, 'src/deep/file'))).mtimeMs;
    const script =
      'mv src lib && cat lib/deep/file && readlink lib/link && ln lib/deep/file hard && stat -c %h hard && stat -c %Y lib/deep/file';
    const report = await rig.job(slot, script, { lowers: [lower] });
    expect(report.step).toEqual({ kind: 'exit', code: 0 });
    expect(report.output).toBe(`fdeep\n2\n${Math.floor(before / 1000)}\n`);
  });

  it('takes more layers than one option string could name', async () => {
    const lowers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => layer(`many-${'x'.repeat(60)}-${index}`, { [`f${index}`]: '' })),
    );
    expect((await rig.job(slot, 'ls | wc -l', { lowers })).output.trim()).toBe('60');
  });

  it('mounts although an earlier job put a link in the place of /work', async () => {
    const own = await rig.slot();
    await rig.job(own, 'rm -rf /tmp/x; exit 0');
    await rm(`/proc/${own.record.process.pid}/root/work`, { recursive: true });
    await symlink('/etc', `/proc/${own.record.process.pid}/root/work`);
    await expect(rig.job(own, 'true')).rejects.toThrow(/could not be mounted/);
  });

  it('refuses a container whose process number was given to another process since', async () => {
    const gone = await rig.helper.unmount({ pid: process.pid, startTime: '1' });
    expect(gone).toMatchObject({ ok: false, problem: { step: 'identity' } });
  });

  it('refuses to touch the mounts of the host itself', async () => {
    const self = identityOf(process.pid);
    if (self === undefined) throw new Error('no identity');
    expect(await rig.helper.unmount(self)).toMatchObject({ ok: false, problem: { step: 'namespace' } });
  });

  it('reports a workspace that is still held instead of hiding it', async () => {
    const own = await rig.slot();
    const n = own.nextNumber();
    await rig.workspaces.mount(own, n, [join(rig.data, 'lower')]);
    const held = await open(`/proc/${own.record.process.pid}/root/work/held`, 'w');
    expect(await rig.workspaces.unmount(own, n)).toMatchObject({ ok: false, problem: { kind: 'held' } });
    await held.close();
    expect(await rig.workspaces.unmount(own, n)).toMatchObject({ ok: true });
  });
});

describe('capturing from a workspace', () => {
  async function capture(
    script: string,
    paths: readonly string[],
  ): Promise<{ readonly result: Awaited<ReturnType<SlotRig['workspaces']['capture']>>; readonly target: string }> {
    const report = await rig.job(slot, script, { keepMounted: true });
    const target = join(rig.data, `captured-${report.n}`);
    await mkdir(target);
    const result = await rig.workspaces.capture(slot, report.n, paths, target);
    await rig.workspaces.unmount(slot, report.n);
    return { result, target };
  }

  it('copies what is there, links as links, and leaves out what is not', async () => {
    const { result, target } = await capture(
      'mkdir -p a/b && echo 1 > a/b/f && ln -s b a/l && touch -d @1000000000 a/b/f',
      ['a', 'absent', './a/b/f'],
    );
    expect(result).toEqual({ ok: true, value: ['a', './a/b/f'] });
    expect(await readlink(join(target, 'a/l'))).toBe('b');
    expect((await stat(join(target, 'a/b/f'))).mtimeMs).toBe(1_000_000_000_000);
  });

  it.each([
    ['a link in the way', 'ln -s /etc out', 'out/passwd'],
    ['a way up', 'true', '../etc/passwd'],
  ])('refuses %s', async (_name, script, path) => {
    const { result } = await capture(script, [path]);
    expect(result).toMatchObject({ ok: false, problem: { kind: 'bad-path' } });
  });

  it('copies a link itself, not what it points to', async () => {
    const { target } = await capture('ln -s /etc/passwd leak', ['leak']);
    expect(await readlink(join(target, 'leak'))).toBe('/etc/passwd');
  });
});

describe('the copy strategy', () => {
  it('takes over where there is no mount helper, says so, and gives jobs the same view', async () => {
    const workspaces = await openWorkspaces(join(rig.data, 'copy-scratch'), undefined);
    expect(workspaces.strategy).toBe('copy');
    expect(workspaces.reason).toMatch(/root/);
    const own = await rig.slot({ copies: true });
    const lower = await layer('copied', { 'a.txt': 'a', 'dir/b.txt': 'b' });
    const step = { uid: 65532, gid: 65532, handOver: true };
    const job = async (script: string): Promise<string> => {
      const n = own.nextNumber();
      expect(await workspaces.mount(own, n, [lower])).toMatchObject({ ok: true });
      await writeRequest(own.directory, n, 1, { ...plainStep(script), ...step });
      own.runStep(n, 1);
      await own.stepEnd(n, 1);
      own.end(n);
      await own.ended(n);
      const output = await readFile(join(own.directory, 'jobs', String(n), 'log'), 'utf8');
      expect(await workspaces.unmount(own, n)).toMatchObject({ ok: true });
      return output;
    };
    expect(
      await job('cat a.txt dir/b.txt; echo new > dir/b.txt; mkdir locked && touch locked/f && chmod 0 locked; id -u'),
    ).toBe('ab65532\n');
    expect(await job('cat dir/b.txt; ls')).toBe('ba.txt\ndir\n');
    expect(await readFile(join(lower, 'dir/b.txt'), 'utf8')).toBe('b');
  });

  it('hides the control files from the job by their modes', async () => {
    const own = await rig.slot({ copies: true });
    const n = own.nextNumber();
    const script =
      'ls /.hearth/control || cat /.hearth/control/slot.json || echo "end 1" > /.hearth/control/ctl || true';
    await writeRequest(own.directory, n, 1, { ...plainStep(script), uid: 65532, gid: 65532, handOver: true });
    own.runStep(n, 1);
    await own.stepEnd(n, 1);
    own.end(n);
    await own.ended(n);
    const output = await readFile(join(own.directory, 'jobs', String(n), 'log'), 'utf8');
    expect(output.match(/Permission denied/g)).toHaveLength(3);
  });
});

describe('the hash of files', () => {
  const hash = async (script: string, ...patterns: readonly string[]): Promise<string> => {
    const { n } = await rig.job(slot, script, { keepMounted: true });
    try {
      return await rig.workspaces.hashFiles(slot, patterns);
    } finally {
      await rig.workspaces.unmount(slot, n);
    }
  };
  const sha256 = (...parts: readonly (string | Buffer)[]): Buffer =>
    parts.reduce((all, part) => all.update(part), createHash('sha256')).digest();

  it('is one digest over the digests of all that match, in order of their paths', async () => {
    const script = 'mkdir -p b/c; echo -n 2 > b/c/z.lock; echo -n 1 > a.lock; echo x > other; echo n > b/no.lock';
    const expected = sha256(sha256('1'), sha256('2')).toString('hex');
    expect(await hash(script, '**.lock', '!b/no.lock')).toBe(expected);
    expect(await hash(script, './a.lock', '/work/b/c/*')).toBe(expected);
    expect(await hash(script, 'nothing')).toBe('');
  });

  it('reads nothing through links, pipes and devices that a job put there', async () => {
    const script = [
      ...['ln -s /etc/passwd passwd.txt', 'ln -s / root', 'ln -s /etc etc.d', 'mkfifo pipe.txt', 'mkdir d'],
      ...['ln -s ../../../../../etc d/up', 'echo -n 1 > real.txt'],
    ].join('; ');
    expect(await hash(script, '**')).toBe(sha256(sha256('1')).toString('hex'));
  });
});
