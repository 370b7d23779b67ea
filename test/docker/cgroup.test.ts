/** Control groups of version 2 in a folder that behaves as the kernel's documentation says, and of version 1 by their text. */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupsOf, killsIn, weightFault } from '../../src/docker/cgroup.ts';
import { applyLimits, enterLimits, killsOf, removeLimits, type Kernel } from '../../src/docker/job-limits.ts';
import type { Resources } from '../../src/core/resources.ts';

const MIB = 1024 ** 2;
const SLOT = 4321;
let root: string;
let proc: string;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-cgroup-'));
  root = join(folder, 'cgroup');
  proc = join(folder, 'proc');
  await mkdir(root);
});

afterEach(async () => {
  await rm(dirname(root), { recursive: true, force: true });
});

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const text = (path: string): Promise<string> => readFile(path, 'utf8');
const procsOf = async (folder: string): Promise<readonly string[]> =>
  (await text(join(folder, 'cgroup.procs'))).split('\n').filter(Boolean);
const handedDown = async (folder: string): Promise<readonly string[]> =>
  (await text(join(folder, 'cgroup.subtree_control'))).split(' ').filter(Boolean);

/** As in Documentation/admin-guide/cgroup-v2.rst: what a new group shows for each controller that its parent hands down. */
const files: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  memory: {
    'memory.max': 'max\n',
    'memory.swap.max': 'max\n',
    'memory.events': 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n',
  },
  cpu: { 'cpu.max': 'max 100000\n', 'cpu.weight': '100\n' },
  pids: { 'pids.max': 'max\n', 'pids.events': 'max 0\n' },
};

/** Version 2: "no internal processes", controllers from the top down, only empty groups can be removed. */
function version2(): Kernel {
  const folders = async (): Promise<readonly string[]> =>
    (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  return {
    root,
    proc,
    async makeGroup(folder) {
      await mkdir(folder).then(
        async () => {
          const controllers = folder === root ? Object.keys(files) : await handedDown(dirname(folder));
          await writeFile(join(folder, 'cgroup.procs'), '');
          await writeFile(join(folder, 'cgroup.subtree_control'), '');
          await writeFile(join(folder, 'cgroup.controllers'), `${controllers.join(' ')}\n`);
          for (const name of controllers)
            for (const [file, value] of Object.entries(files[name] ?? {})) await writeFile(join(folder, file), value);
        },
        (error: unknown) => {
          if ((error as { code?: string }).code !== 'EEXIST') throw error;
        },
      );
    },
    async removeGroup(folder) {
      if ((await procsOf(folder)).length > 0) throw errno('EBUSY');
      await rm(folder, { recursive: true });
    },
    async write(path, value) {
      await text(path);
      const folder = dirname(path);
      if (path.endsWith('cgroup.subtree_control')) {
        const names = value.split(' ').map((word) => word.slice(1));
        const available = (await text(join(folder, 'cgroup.controllers'))).trim().split(' ');
        if (names.some((name) => !available.includes(name))) throw errno('ENOENT');
        if ((await procsOf(folder)).length > 0) throw errno('EBUSY');
        await writeFile(path, names.join(' '));
      } else if (path.endsWith('cgroup.procs')) {
        if ((await handedDown(folder)).length > 0) throw errno('EBUSY');
        for (const other of await folders())
          await writeFile(
            join(other, 'cgroup.procs'),
            (await procsOf(other))
              .filter((pid) => pid !== value)
              .map((pid) => `${pid}\n`)
              .join(''),
          );
        await writeFile(path, `${await text(path)}${value}\n`);
        await process(Number(value), `0::${folder.slice(root.length)}\n`);
      } else if (path.endsWith('memory.max')) {
        await writeFile(path, `${Math.floor(Number(value) / 4096) * 4096}\n`);
      } else await writeFile(path, `${value}\n`);
    },
  };
}

async function process(pid: number, membership: string, status?: string): Promise<void> {
  await mkdir(join(proc, String(pid)), { recursive: true });
  await writeFile(join(proc, String(pid), 'cgroup'), membership);
  if (status !== undefined) await writeFile(join(proc, String(pid), 'status'), status);
}

const statusOf = (pid: number, parent: number, inside: number): string =>
  `Name:\tbash\nPid:\t${pid}\nPPid:\t${parent}\nNSpid:\t${pid}\t${inside}\nThreads:\t1\n`;

const resources: Resources = { cpus: 0.5, memoryBytes: 64 * MIB + 100, diskBytes: null, pids: 20 };
const asked = { pid: SLOT, n: 3, resources, isRoot: true };

describe('version 2', () => {
  let at: Kernel;
  let container: string;

  beforeEach(async () => {
    at = version2();
    for (const name of ['', 'docker', 'docker/0a1b']) {
      const folder = join(root, name);
      if (name === '') {
        await rm(root, { recursive: true });
      }
      await at.makeGroup(folder);
      if (name !== 'docker/0a1b') await at.write(join(folder, 'cgroup.subtree_control'), '+memory +cpu +pids');
    }
    container = join(root, 'docker/0a1b');
    await at.write(join(container, 'cgroup.procs'), String(SLOT));
    await process(SLOT, '0::/docker/0a1b\n', statusOf(SLOT, 1, 1));
  });

  it('limits a job in a group of its own, beside the leaf that its PID 1 now lives in', async () => {
    const limits = await applyLimits(asked, at);
    const group = join(container, 'hearth-3');
    expect(limits).toEqual({ groups: [group], fault: null });
    expect(await text(join(group, 'memory.max'))).toBe(`${64 * MIB}\n`);
    expect(await text(join(group, 'memory.swap.max'))).toBe('0\n');
    expect(await text(join(group, 'cpu.max'))).toBe('50000 100000\n');
    expect(await text(join(group, 'pids.max'))).toBe('20\n');
    expect(await procsOf(join(container, 'hearth-init'))).toEqual([String(SLOT)]);
    expect(await procsOf(container)).toEqual([]);
  });

  it('does so again for the next job, and finds the container in spite of the leaf', async () => {
    await removeLimits(await applyLimits(asked, at), at);
    const next = { ...asked, n: 4, resources: { ...resources, pids: 7 } };
    expect(await applyLimits(next, at)).toEqual({ groups: [join(container, 'hearth-4')], fault: null });
    expect((await groupsOf(SLOT, root, proc))?.folders.memory).toBe(container);
    expect(await readdir(container)).not.toContain('hearth-3');
  });

  it('puts in the process that waits, told by its pid inside of the slot, and no other', async () => {
    const limits = await applyLimits(asked, at);
    const leaf = join(container, 'hearth-init');
    for (const [pid, parent, inside] of [
      [900, SLOT, 17],
      [901, SLOT, 18],
      [902, 901, 17],
    ] as const) {
      await at.write(join(leaf, 'cgroup.procs'), String(pid));
      await process(pid, '0::/docker/0a1b/hearth-init\n', statusOf(pid, parent, inside));
    }
    await enterLimits(limits, SLOT, 17, at);
    expect(await procsOf(join(container, 'hearth-3'))).toEqual(['900']);
    await enterLimits(limits, SLOT, 17, at);
    expect(await procsOf(join(container, 'hearth-3'))).toEqual(['900']);
    await enterLimits(limits, SLOT, 999, at);
    expect(await procsOf(leaf)).toEqual([String(SLOT), '901', '902']);
  });

  it('counts the OOM kills of the job', async () => {
    const limits = await applyLimits(asked, at);
    expect(await killsOf(limits)).toBe(0);
    const events = join(container, 'hearth-3', 'memory.events');
    await writeFile(events, (await text(events)).replace('oom_kill 0', 'oom_kill 2'));
    expect(await killsOf(limits)).toBe(2);
    expect(await killsIn(join(container, 'absent'))).toBeUndefined();
  });

  it('makes a group afresh that a process left which died before its ticket', async () => {
    await applyLimits(asked, at);
    const onlyPids = { ...asked, resources: { ...resources, memoryBytes: null, cpus: null } };
    await applyLimits(onlyPids, at);
    expect(await text(join(container, 'hearth-3', 'memory.max'))).toBe('max\n');
  });

  it('says which limits are not held, and why', async () => {
    const without = { ...at, write: refusing('cpu.max', 'ENOENT') };
    expect((await applyLimits(asked, without)).fault).toBe('cpus: 0.5 (the kernel has no such control)');
    const all = 'memory: 64m, cpus: 0.5, pids: 20';
    for (const [code, why] of [
      ['EROFS', `${root} is read-only here`],
      ['EACCES', `Hearth may not write below ${root}; run it as root`],
    ] as const) {
      const makeGroup = (): Promise<void> => Promise.reject(errno(code));
      expect(await applyLimits({ ...asked, n: 9 }, { ...at, makeGroup })).toEqual({
        groups: [],
        fault: `${all} (${why})`,
      });
    }
    expect((await applyLimits({ ...asked, isRoot: false }, at)).fault).toBe(`${all} (Hearth does not run as root)`);
    const deaf = {
      ...at,
      write: (path: string, value: string) => (path.endsWith('pids.max') ? Promise.resolve() : at.write(path, value)),
    };
    expect((await applyLimits(asked, deaf)).fault).toBe('pids: 20 (pids.max reads max)');
  });

  const refusing =
    (file: string, code: string): Kernel['write'] =>
    (path, value) =>
      path.endsWith(file) ? Promise.reject(errno(code)) : at.write(path, value);

  it('tells by the weight whether a slot gives way', async () => {
    expect(await weightFault(SLOT, root, proc)).toBe('cpu.weight of its container is 100');
    await writeFile(join(container, 'cpu.weight'), '20\n');
    expect(await weightFault(SLOT, root, proc)).toBeNull();
    await rm(join(container, 'cpu.weight'));
    expect(await weightFault(SLOT, root, proc)).toBe('cpu.weight of its container cannot be read');
  });
});

describe('version 1', () => {
  it('has a folder for each controller, alone or together', async () => {
    const lines = [
      '12:pids:/docker/0a',
      '5:cpu,cpuacct:/docker/0a',
      '4:memory:/docker/0a',
      '1:name=systemd:/docker/0a',
      '0::/',
    ];
    await process(SLOT, `${lines.join('\n')}\n`);
    expect(await groupsOf(SLOT, root, proc)).toEqual({
      version: 1,
      folders: {
        memory: join(root, 'memory/docker/0a'),
        cpu: join(root, 'cpu/docker/0a'),
        pids: join(root, 'pids/docker/0a'),
      },
    });
  });

  it('of which a controller is missing says so for its limit alone', async () => {
    await process(SLOT, '4:memory:/docker/0a\n12:pids:/docker/0a\n');
    const at: Kernel = {
      ...{ root, proc, makeGroup: (folder) => mkdir(folder, { recursive: true }).then(() => undefined) },
      ...{ removeGroup: () => Promise.reject(errno('ENOENT')), write: (path, value) => writeFile(path, value) },
    };
    const limits = await applyLimits(asked, at);
    expect(limits.groups).toEqual([join(root, 'memory/docker/0a/hearth-3'), join(root, 'pids/docker/0a/hearth-3')]);
    expect(limits.fault).toMatch(/^cpus: 0\.5 \(this kernel has no cpu controller\)$/);
  });

  it('of a process that is gone cannot be told', async () => {
    expect(await groupsOf(999_999, root, proc)).toBeUndefined();
    expect(await applyLimits({ ...asked, pid: 999_999 }, version2())).toMatchObject({
      groups: [],
      fault: expect.stringContaining('cannot be told') as string,
    });
  });
});
