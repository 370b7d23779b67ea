import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dockerEngine } from '../../src/docker/engine.ts';
import { openManifests } from '../../src/docker/manifests.ts';
import { systemRandom } from '../../src/system.ts';

const engine = dockerEngine();
const { signal } = new AbortController();
const exec = promisify(execFile);
let folder: string;
/** Of an image of one small file. */
let id: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-manifests-'));
  await writeFile(join(folder, 'hello'), 'hello');
  await exec('tar', ['-cf', join(folder, 'files.tar'), '-C', folder, 'hello']);
  id = (await exec('docker', ['import', join(folder, 'files.tar')])).stdout.trim();
});

afterEach(async () => {
  await exec('docker', ['image', 'rm', id]);
  await rm(folder, { recursive: true });
});

const open = () => openManifests(join(folder, 'manifests'), engine, systemRandom);

describe('the manifest of an image', () => {
  it('is made of the image once, and read from then on, also by the next process', async () => {
    const made = await open().of(id, signal);
    expect(made.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const [name = ''] = await readdir(join(folder, 'manifests'));
    const other = { ...made, digest: `sha256:${'0'.repeat(64)}` };
    await writeFile(join(folder, 'manifests', name), JSON.stringify(other));
    expect(await open().of(id, signal)).toEqual(other);
  });

  it.each(['', '{"digest":"sha256:0"', '{}'])(
    'is made again where %j is all that a power cut left of it',
    async (left) => {
      const made = await open().of(id, signal);
      const [name = ''] = await readdir(join(folder, 'manifests'));
      const path = join(folder, 'manifests', name);
      await writeFile(path, left);
      expect(await open().of(id, signal)).toEqual(made);
      expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(made);
    },
  );

  it('that the engine does not have is an error and leaves nothing', async () => {
    await expect(open().of(`sha256:${'0'.repeat(64)}`, signal)).rejects.toThrow('docker save');
    expect(await readdir(folder)).not.toContain('manifests');
  });
});
