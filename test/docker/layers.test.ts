import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLayers, type LayerId } from '../../src/docker/layers.ts';

let root: string;
const id: LayerId = { repoId: 7, trust: 'T1', key: 'abc' };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-layers-'));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function fill(target: string, text: string): Promise<void> {
  await mkdir(target);
  await writeFile(join(target, 'f'), text);
}

describe('a layer', () => {
  it('is built once for any number of jobs that want it at the same time', async () => {
    const layers = openLayers(root, 'durable');
    let builds = 0;
    const held = await Promise.all(
      Array.from({ length: 20 }, () =>
        layers.acquire(id, async (target) => {
          builds += 1;
          await fill(target, 'x');
        }),
      ),
    );
    expect(builds).toBe(1);
    expect(held.filter((layer) => !layer.hit)).toHaveLength(1);
    expect(await readFile(join(held[19]?.path ?? '', 'f'), 'utf8')).toBe('x');
  });

  it('is found again by a later process', async () => {
    await openLayers(root, 'durable').acquire(id, (target) => fill(target, 'x'));
    const again = await openLayers(root, 'durable').acquire(id, () => Promise.reject(new Error('not to be built')));
    expect(again.hit).toBe(true);
  });

  it('is a miss after its build failed, and the next caller builds it', async () => {
    const layers = openLayers(root, 'durable');
    const first = layers.acquire(id, async (target) => {
      await fill(target, 'half');
      throw new Error('the disk went away');
    });
    const second = layers.acquire(id, (target) => fill(target, 'whole'));
    await expect(first).rejects.toThrow('the disk went away');
    expect(await readFile(join((await second).path, 'f'), 'utf8')).toBe('whole');
  });

  it('whose build would fail for everybody alike is built once, and all who waited learn why', async () => {
    const layers = openLayers(root, 'durable', (error) => error instanceof Error && error.message === 'exit 1');
    let builds = 0;
    const waits = Array.from({ length: 5 }, () =>
      layers.acquire(id, () => {
        builds += 1;
        return Promise.reject(new Error('exit 1'));
      }),
    );
    const settled = await Promise.allSettled(waits);
    expect(settled.map((result) => result.status === 'rejected' && String(result.reason))).toEqual(
      Array(5).fill('Error: exit 1'),
    );
    expect(builds).toBe(1);
  });

  it('is a miss after its build was killed half-way', async () => {
    await mkdir(join(root, '7', 'T1'), { recursive: true });
    await fill(join(root, '7', 'T1', 'abc.tmp'), 'half');
    const layers = openLayers(root, 'durable');
    const held = await layers.acquire(id, (target) => fill(target, 'whole'));
    expect(held.hit).toBe(false);
    expect(await readdir(join(root, '7', 'T1'))).toEqual(['abc']);
  });

  it('that was left half built is swept away at start', async () => {
    await mkdir(join(root, '7', 'T1'), { recursive: true });
    await fill(join(root, '7', 'T1', 'old.tmp'), 'half');
    await openLayers(root, 'durable').sweep();
    expect(await readdir(join(root, '7', 'T1'))).toEqual([]);
  });

  it('of one trust class is never found by another', async () => {
    const layers = openLayers(root, 'durable');
    await layers.acquire({ ...id, trust: 'T2' }, (target) => fill(target, 'poison'));
    const held = await layers.acquire(id, (target) => fill(target, 'clean'));
    expect(held.hit).toBe(false);
  });

  it('of this boot only is dropped when the machine was booted since', async () => {
    const layers = openLayers(root, 'this boot');
    await layers.sweep();
    await layers.acquire(id, (target) => fill(target, 'x'));
    await layers.sweep();
    expect((await layers.acquire(id, () => Promise.reject(new Error('not to be built')))).hit).toBe(true);
    await writeFile(join(root, 'boot'), 'another boot');
    await layers.sweep();
    expect((await layers.acquire(id, (target) => fill(target, 'y'))).hit).toBe(false);
  });
});
