/** Images are built by the buildx plugin where there is one. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dockerEngine } from '../../src/docker/engine.ts';
import { setUpBuildx, type Buildx } from '../support/buildx.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const before = process.env['DOCKER_CONFIG'];
let folder: string;
let buildx: Buildx;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-buildx-'));
  buildx = await setUpBuildx(join(folder, 'config'));
  process.env['DOCKER_CONFIG'] = buildx.config;
});

afterAll(async () => {
  if (before === undefined) delete process.env['DOCKER_CONFIG'];
  else process.env['DOCKER_CONFIG'] = before;
  await rm(folder, { recursive: true });
});

async function build(
  dockerfile: string,
  more: { readonly output?: string; readonly args?: Readonly<Record<string, string>> } = {},
) {
  const context = await mkdtemp(join(folder, 'context-'));
  await writeFile(join(context, 'Dockerfile'), dockerfile);
  const idFile = join(context, 'id');
  const said: string[] = [];
  const done = await dockerEngine().build(
    {
      ...{ context, file: join(context, 'Dockerfile'), cacheNamespace: 'hearth-test-buildx' },
      ...(more.output === undefined ? { idFile } : {}),
      ...{ secrets: { WORD: 'secret-word' }, ...more },
    },
    (text) => said.push(text),
  );
  return { done, said: said.join(''), id: async () => (await readFile(idFile, 'utf8')).trim() };
}

it('the plugin builds into the engine, although another builder is the chosen one', async () => {
  await exec('docker', ['buildx', 'create', '--name', 'elsewhere', '--driver', 'docker-container', '--use']);
  const nonce = `${process.pid}.${Date.now()}`;
  const built = await build(
    `FROM ${TEST_IMAGE}\nRUN --mount=type=secret,id=WORD echo ${nonce} >/nonce; wc -c </run/secrets/WORD >/size\n`,
  );
  expect(built.done, built.said).toMatchObject({ ok: true });
  const id = await built.id();
  try {
    const { stdout } = await exec('docker', ['run', '--rm', '--network', 'none', id, 'cat', '/nonce', '/size']);
    expect(stdout).toBe(`${nonce}\n11\n`);
  } finally {
    await exec('docker', ['image', 'rm', '--force', id]);
  }
  expect((await buildx.calls()).filter((call) => call.startsWith('buildx build '))).toHaveLength(1);
});

it('the plugin gives files of a target, and says which step failed and how', async () => {
  await mkdir(join(folder, 'out'));
  const dockerfile = `FROM ${TEST_IMAGE} AS made\nRUN echo of the target >/file\nFROM scratch\nCOPY --from=made /file /file\n`;
  expect((await build(dockerfile, { output: join(folder, 'out') })).done).toMatchObject({ ok: true });
  expect(await readFile(join(folder, 'out/file'), 'utf8')).toBe('of the target\n');
  const { done, said } = await build(`FROM ${TEST_IMAGE}\nRUN echo about to fail; exit 7\n`);
  expect(done).toMatchObject({ ok: false });
  expect(said).toMatch(/^#\d+ \[2\/2\] RUN echo about to fail; exit 7$/m);
  expect(said).toMatch(/^#\d+ ERROR.*exit code: 7$/m);
});
