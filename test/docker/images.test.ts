/** Jobs that build images, over a real engine. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageRecord, ImageSpec } from '../../src/core/image/image-spec.ts';
import { supersededBy } from '../../src/core/outcome.ts';
import type { Claim, Finish } from '../../src/core/ports.ts';
import { openExecutorRig, RIG_TOKEN, type Execution, type ExecutorRig, type Wish } from '../support/executor-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
/** So that no cache of an earlier run of these tests answers. */
const nonce = `${Date.now()}.${process.pid}`;
const OTHER = process.arch === 'arm64' ? 'amd64' : 'arm64';

let rig: ExecutorRig;

/** Has a shell and a few programs, and little else, so that the engine reads it in a moment. */
const SMALL = 'hearth-test/small:1';
const small = `FROM ${TEST_IMAGE} AS all
RUN set -e; mkdir -p /small/bin /small/tmp /small/etc; for p in sh cat wc sleep seq touch test echo printf ls; do cp -L /usr/bin/$p /small/bin/$p; done; \
  ldd /small/bin/* | grep -o '/[^ ]*\\.so[^ ]*' | sort -u | while read -r l; do mkdir -p "/small\${l%/*}"; cp -L "$l" "/small$l"; done
FROM scratch
COPY --from=all /small /
`;

beforeAll(async () => {
  rig = await openExecutorRig();
  const sha = await rig.commit({ Dockerfile: small });
  const { finish, log } = await rig.execute(rig.claim([], { run: { sha }, spec: { image: image() } }));
  expect(finish.outcome.result, log).toBe('success');
  await exec('docker', ['tag', finish.outputs['image'] ?? '', SMALL]);
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
  const { stdout } = await exec('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}', 'hearth/image']);
  const own = stdout.split('\n').filter((name) => name.startsWith('hearth/image:10-'));
  if (own.length > 0) await exec('docker', ['image', 'rm', '--force', ...own]);
});

function image(changes: Partial<ImageSpec> = {}): ImageSpec {
  return {
    ...{ context: '.', file: null, target: null, args: {}, platforms: [], facts: null, push: [], credentials: null },
    ...changes,
  };
}

async function claimOf(
  files: Readonly<Record<string, string>>,
  spec: Partial<ImageSpec> = {},
  { spec: jobSpec, ...wish }: Wish = {},
): Promise<Claim> {
  const sha = await rig.commit(files);
  return rig.claim([], { ...wish, run: { sha, ...wish.run }, spec: { ...jobSpec, image: image(spec) } });
}

async function build(...wanted: Parameters<typeof claimOf>): Promise<Execution> {
  return rig.execute(await claimOf(...wanted));
}

function recordOf({ finish, log }: Execution): ImageRecord {
  expect(finish.outcome.result, log).toBe('success');
  if (finish.image === undefined) throw new Error('no record');
  return finish.image;
}

const simple = (more = ''): Readonly<Record<string, string>> => ({
  Dockerfile: `FROM ${SMALL}\nARG NONCE\nCOPY hello.txt /hello.txt\nRUN echo "$NONCE" > /nonce\n${more}`,
});

/** Those of the machine whose command line holds the text. */
async function processes(text: string): Promise<readonly string[]> {
  const { stdout } = await exec('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(text) && !line.startsWith('docker build'));
}

describe('a job with an image', () => {
  it('builds it from the commit and from artifacts of the jobs it needs, and tells what it is', async () => {
    const made = rig.claim('mkdir gen && echo generated > gen/file', {
      spec: {
        artifacts: [
          { name: 'gen', paths: ['gen'], when: 'success', expireMs: 60_000, isOptional: false, isJunit: false },
        ],
      },
    });
    const { finish } = await rig.execute(made);
    const artifacts = (finish.artifacts ?? []).map((one) => ({
      ...one,
      ...{ runId: made.run.id, jobId: made.job.id, attempt: 1, job: 'gen' },
    }));
    const claim = await claimOf(simple('COPY gen/file /gen\n'), { args: { NONCE: nonce } });
    const built = await rig.execute({ ...claim, artifacts });
    const { digest, images, pushed } = recordOf(built);
    const [one] = images;
    const { stdout } = await exec('docker', ['image', 'inspect', '-f', '{{.Id}} {{.Size}}', one?.reference ?? '']);
    expect(stdout.trim()).toBe(`${one?.id ?? ''} ${one?.sizeBytes ?? 0}`);
    expect({ digest, pushed }).toEqual({ digest: one?.digest, pushed: [] });
    expect(one).toMatchObject({ emulated: [] });
    const base = await exec('docker', ['image', 'inspect', '-f', '{{.Id}}', SMALL]);
    expect(one?.bases).toEqual([{ name: SMALL, platform: one?.platform, digest: null, imageId: base.stdout.trim() }]);
    expect(built.finish.outputs).toMatchObject({ image: one?.reference, digest });
    expect(built.finish.evidence?.exitCode).toBe(0);
    expect(built.log).toContain(`digest: ${digest}\n`);
    const container = { image: one?.reference ?? '', readOnly: false };
    const used = await rig.execute(rig.claim('cat /hello.txt /gen /nonce', { spec: { container } }));
    expect(used.log).toContain(`hello\ngenerated\n${nonce}\n`);
  });

  it('is answered by the layer cache when nothing has changed, and gives the same image and digest', async () => {
    const args = { NONCE: `${nonce} again` };
    const first = recordOf(await build(simple(), { args }));
    const second = recordOf(await build(simple(), { args }));
    expect(second.digest).toBe(first.digest);
    expect(second.images[0]?.id).toBe(first.images[0]?.id);
    expect([first.images[0]?.layers, second.images[0]?.layers]).toEqual([
      { total: 2, cached: 1 },
      { total: 2, cached: 2 },
    ]);
  });

  it('takes its context, file and target from expressions', async () => {
    const files = {
      'sub/hello.txt': 'sub\n',
      'files/My.Dockerfile': `FROM ${SMALL} AS one\nFROM one AS two\nCOPY hello.txt /hello.txt\nFROM nothing:1\n`,
      'files/My.Dockerfile.dockerignore': 'ignored\n',
    };
    const built = await build(
      files,
      {
        context: '${{ matrix.where }}',
        file: 'files/${{ matrix.who }}.Dockerfile',
        target: "${{ 'two' }}",
      },
      { spec: { axes: { where: 'sub', who: 'My' } } },
    );
    expect(recordOf(built).images[0]?.bases).toHaveLength(1);
  });

  it('whose command finds the disk full is an error of the machine, not of the commit', async () => {
    const Dockerfile = `FROM ${SMALL}\nARG NONCE\nRUN echo "write /file: no space left on device" >&2; exit 1\n`;
    const { finish } = await build({ Dockerfile }, { args: { NONCE: nonce } });
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'disk' });
  });

  it('whose command fails is a failure with its exit code, and the log has what it said', async () => {
    const files = { Dockerfile: `FROM ${SMALL}\nRUN echo because of this; exit 7\n` };
    const { finish, log } = await build(files);
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'exit', exitCode: 7 });
    expect(finish.outcome.message).toMatch(/RUN echo because of this; exit 7: exit 7$/);
    expect(finish.evidence?.exitCode).toBe(7);
    expect(log).toContain('because of this');
    expect(finish.image).toBeUndefined();
  });

  it.each<[string, Readonly<Record<string, string>>, Partial<ImageSpec>, string, RegExp]>([
    ['no Dockerfile', {}, { file: 'No.Dockerfile' }, 'config', /there is no file No\.Dockerfile in the workspace/],
    [
      'a Dockerfile named from the context',
      { 'part/Own.Dockerfile': 'FROM scratch\n' },
      { context: 'part', file: 'Own.Dockerfile' },
      'config',
      /did you mean part\/Own\.Dockerfile\?/,
    ],
    ['no context', simple(), { context: 'nowhere' }, 'config', /there is no folder nowhere in the workspace/],
    ['a context outside', simple(), { context: "${{ '../..' }}" }, 'config', /image\.context: .* must not hold ".."/],
    ['an unknown target', simple(), { target: 'x' }, 'config', /it has no target x/],
    [
      'an unknown base',
      { Dockerfile: 'FROM hearth-test/nothing:1\n' },
      {},
      'image',
      /there is no image "hearth-test\/nothing:1" for linux\/\w+ on this machine, and .*; correct the name, or pull it/,
    ],
    [
      'a base of another platform',
      simple(),
      { platforms: [`linux/${OTHER}`] },
      'image',
      /there is no image "hearth-test\/small:1" for linux\/\w+ on this machine/,
    ],
    [
      'an image of somebody else',
      { Dockerfile: 'FROM hearth/image:11-T1-abc\n' },
      {},
      'image',
      /of this repository and trust class here/,
    ],
    [
      'a place to push to that is none',
      simple(),
      { push: ["${{ 'UPPER/x' }}"] },
      'config',
      /image\.push: UPPER\/x is not registry\/name:tag/,
    ],
    ['facts that are not there', simple(), { facts: 'facts' }, 'config', /it has no target facts/],
  ])('with %s is an error that says what to do', async (_, files, spec, reason, message) => {
    const { finish } = await build(files, spec);
    expect(finish.outcome).toMatchObject({ result: 'error', reason });
    expect(finish.outcome.message).toMatch(message);
  });

  it('tells facts of the build as outputs, and facts that are none are a failure', async () => {
    const facts = (text: string): Readonly<Record<string, string>> => ({
      Dockerfile: `FROM ${SMALL} AS build\nRUN printf '${text}' > /o\nFROM scratch AS facts\nCOPY --from=build /o /outputs\nFROM ${SMALL}\n`,
    });
    const told = await build(facts('hits=190\\nrate=100 %%\\nimage=forged\\n'), { facts: 'facts' });
    expect(told.finish.outputs).toMatchObject({ hits: '190', rate: '100 %' });
    expect(told.finish.outputs['image']).toMatch(/^hearth\/image:10-T1-/);
    const wrong = await build(facts('no fact\\n'), { facts: 'facts' });
    expect(wrong.finish.outcome).toMatchObject({
      result: 'failure',
      message: expect.stringContaining('line 1 of /outputs is "no fact"') as string,
    });
  });

  it('never follows a link of the workspace to the host', async () => {
    for (const [path, link] of [
      ['linked', '/etc'],
      ['Linked.Dockerfile', '/etc/hostname'],
      ['.dockerignore', '/etc/hostname'],
    ] as const) {
      const made = rig.claim(`ln -s ${link} ${path}`, {
        spec: {
          artifacts: [
            { name: 'x', paths: [path], when: 'success', expireMs: 60_000, isOptional: false, isJunit: false },
          ],
        },
      });
      const { finish } = await rig.execute(made);
      const artifacts = (finish.artifacts ?? []).map((one) => ({
        ...one,
        runId: made.run.id,
        jobId: made.job.id,
        attempt: 1,
        job: 'gen',
      }));
      expect(artifacts).toHaveLength(1);
      const claim = await claimOf(
        simple(),
        path === 'linked' ? { context: 'linked' } : path === '.dockerignore' ? {} : { file: path },
      );
      const { finish: end } = await rig.execute({ ...claim, artifacts });
      expect(end.outcome).toMatchObject({
        result: 'error',
        reason: 'config',
        message: expect.stringContaining(`${path} is a symbolic link`) as string,
      });
    }
  });
});

describe('a build for another platform', () => {
  const otherBase = `${OTHER === 'arm64' ? 'arm64v8' : 'amd64'}/hearth-test-base:1`;

  beforeAll(async () => {
    const own = await claimOf(
      { Dockerfile: 'FROM scratch\nCOPY hello.txt /base\n' },
      { platforms: [`linux/${OTHER}`] },
    );
    const { finish } = await rig.execute(own);
    await exec('docker', ['tag', finish.outputs['image'] ?? '', otherBase]);
  });

  afterAll(() => exec('docker', ['image', 'rm', otherBase]));

  it('finds the base that Docker Hub would call by that platform, and compiles on its own', async () => {
    const Dockerfile = `FROM --platform=$BUILDPLATFORM ${TEST_IMAGE} AS build\nARG TARGETARCH\nRUN echo $TARGETARCH ${nonce} > /out\nFROM hearth-test-base:1\nCOPY --from=build /out /out\n`;
    const built = await build({ Dockerfile }, { platforms: [`linux/${OTHER}`] });
    const { images, digest } = recordOf(built);
    expect(images).toMatchObject([{ platform: `linux/${OTHER}`, emulated: [] }]);
    expect(images[0]?.bases.map(({ name, platform }) => `${name} ${platform}`)).toEqual([
      `${TEST_IMAGE} linux/${OTHER === 'arm64' ? 'amd64' : 'arm64'}`,
      `hearth-test-base:1 linux/${OTHER}`,
    ]);
    expect(built.finish.outputs).toMatchObject({ [`image-linux-${OTHER}`]: images[0]?.reference, digest });
  });

  it('is joined with the others under the digest of one index', async () => {
    const both = ['linux/amd64', 'linux/arm64'];
    const built = await build({ Dockerfile: 'FROM scratch\nCOPY hello.txt /x\n' }, { platforms: both });
    const { images, digest } = recordOf(built);
    expect(images.map(({ platform }) => platform)).toEqual(both);
    expect(new Set([digest, ...images.map((one) => one.digest)]).size).toBe(3);
    const again = recordOf(await build({ Dockerfile: 'FROM scratch\nCOPY hello.txt /x\n' }, { platforms: both }));
    expect(again.digest).toBe(digest);
  });

  it('says which stages go through an emulator', async () => {
    const Dockerfile = 'FROM hearth-test-base:1 AS slow\nRUN ["/nothing"]\n';
    const { finish, log } = await build({ Dockerfile }, { platforms: [`linux/${OTHER}`] });
    expect(log).toContain(`hearth: linux/${OTHER} is emulated here for the RUN instructions of slow`);
    expect(finish.outcome.result).toBe('failure');
  });
});

describe('what builds share', () => {
  const counting = (name: string): Readonly<Record<string, string>> => ({
    Dockerfile: `FROM ${SMALL} AS build\nARG NONCE\nRUN --mount=type=cache,target=/c echo "$NONCE" >> /c/${name}; wc -l < /c/${name} > /n; printf 'count=%s\\n' "$(cat /n)" > /o\nFROM scratch AS facts\nCOPY --from=build /o /outputs\nFROM ${SMALL}\nCOPY --from=build /n /n\n`,
  });
  const count = async (name: string, wish: Wish = {}): Promise<string | undefined> => {
    const built = await build(counting(name), { facts: 'facts', args: { NONCE: `${nonce} ${Math.random()}` } }, wish);
    expect(built.finish.outcome.result, built.log).toBe('success');
    return built.finish.outputs['count'];
  };

  it('cache mounts are kept, each trust class for itself, and what a fork writes is dropped', async () => {
    const name = `mount-${nonce}`;
    expect([await count(name), await count(name)]).toEqual(['1', '2']);
    expect(await count(name, { trust: 'T2' })).toBe('1');
    expect([await count(name, { trust: 'T3' }), await count(name, { trust: 'T3' })]).toEqual(['1', '1']);
  });

  it('an image serves the jobs of its own repository and class alone', async () => {
    const { images } = recordOf(await build(simple(), { args: { NONCE: nonce } }));
    const container = { image: images[0]?.reference ?? '', readOnly: false };
    const own = await rig.execute(rig.claim('true', { spec: { container } }));
    expect(own.finish.outcome.result).toBe('success');
    for (const wish of [{ trust: 'T2' }, { run: { repo: { id: 12, owner: 'octo', name: 'x' } } }] as const) {
      const { finish } = await rig.execute(rig.claim('true', { ...wish, spec: { container } }));
      expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
    }
    const based = { Dockerfile: `FROM ${container.image}\n` };
    recordOf(await build(based));
    const { finish } = await build(based, {}, { trust: 'T2' });
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'image' });
  });

  it('a fork builds without a network where jobs may not connect to everything', async () => {
    const Dockerfile = `FROM ${SMALL}\nARG NONCE\nRUN test "$(wc -l < /proc/net/route)" = 1\n`;
    const args = { NONCE: nonce };
    expect((await build({ Dockerfile }, { args }, { trust: 'T3' })).finish.outcome.result).toBe('success');
    expect((await build({ Dockerfile }, { args })).finish.outcome.result).toBe('failure');
    const adding = { Dockerfile: `FROM ${SMALL}\nADD http://192.0.2.1/file /file\n` };
    const { outcome } = (await build(adding, {}, { trust: 'T3' })).finish;
    expect(outcome).toMatchObject({ result: 'error', reason: 'config' });
    expect(outcome.message).toContain('line 2: ADD would fetch from a network');
  });
});

describe('a secret of a build', () => {
  const secrets = [{ name: 'TOKEN', variable: 'NPM_TOKEN', isFile: false, isOptional: false }];

  it('is there for the commands that mount it, and nowhere else', async () => {
    const Dockerfile = `FROM ${SMALL}\nARG NONCE\nRUN --mount=type=secret,id=NPM_TOKEN wc -c < /run/secrets/NPM_TOKEN > /length; cat /run/secrets/NPM_TOKEN\n`;
    const built = await build({ Dockerfile }, { args: { NONCE: nonce } }, { spec: { secrets } });
    const { images } = recordOf(built);
    const raw = await rig.logOf(rig.claim([], {}));
    expect(`${built.log}${raw}`).not.toContain(RIG_TOKEN);
    expect(built.log).toContain('***');
    const id = images[0]?.id ?? '';
    const { stdout: history } = await exec('docker', ['history', '--no-trunc', id]);
    const { stdout: inspected } = await exec('docker', ['image', 'inspect', id]);
    expect(history + inspected).not.toContain(RIG_TOKEN);
    const { stdout } = await exec('docker', ['run', '--rm', id, 'sh', '-c', 'cat /length; ls /run/secrets']);
    expect(stdout.trim()).toBe(String(RIG_TOKEN.length));
  });

  it('is masked in facts, too', async () => {
    const Dockerfile = `FROM ${SMALL} AS build\nARG NONCE\nRUN --mount=type=secret,id=NPM_TOKEN echo "word=<$(cat /run/secrets/NPM_TOKEN)>" > /o\nFROM scratch AS facts\nCOPY --from=build /o /outputs\nFROM ${SMALL}\n`;
    const spec = { args: { NONCE: nonce }, facts: 'facts' };
    const { finish } = await build({ Dockerfile }, spec, { spec: { secrets } });
    expect(finish.outputs['word']).toBe('<***>');
  });

  it('that nobody gives is an error before anything is built', async () => {
    const missing = [{ name: 'OTHER', variable: 'OTHER', isFile: false, isOptional: false }];
    const { finish } = await build(simple(), {}, { spec: { secrets: missing } });
    expect(finish.outcome).toMatchObject({ result: 'error', reason: 'config' });
  });
});

describe('a build that does not end by itself', () => {
  const sleeping = (mark: string): Readonly<Record<string, string>> => ({
    Dockerfile: `FROM ${SMALL}\nARG NONCE\nRUN echo sleeping; exec sleep ${mark}\n`,
  });
  const args = { NONCE: nonce };

  it('is cancelled with all its processes', async () => {
    const claim = await claimOf(sleeping('98761'), { args });
    const stop = new AbortController();
    const running = rig.execute(claim, stop.signal);
    await expect.poll(() => processes('sleep 98761'), { timeout: 20_000 }).not.toEqual([]);
    stop.abort(supersededBy('b'.repeat(40)));
    const { finish } = await running;
    expect(finish.outcome).toMatchObject({ result: 'cancelled', reason: 'superseded' });
    await expect.poll(() => processes('sleep 98761'), { timeout: 10_000 }).toEqual([]);
  });

  it('times out', async () => {
    const { finish } = await build(sleeping('98762'), { args }, { spec: { timeoutMs: 3_000 } });
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'timeout', message: 'timed out after 3 s' });
    await expect.poll(() => processes('sleep 98762'), { timeout: 10_000 }).toEqual([]);
  });

  it('is built again from its cache by the process that takes it over', async () => {
    const Dockerfile = `FROM ${SMALL}\nARG NONCE\nRUN echo first > /first\nRUN --mount=type=cache,target=/c test -e /c/${nonce} || { touch /c/${nonce}; echo wait""ing; exec sleep 98763; }\n`;
    const claim = await claimOf({ Dockerfile }, { args: { NONCE: `${nonce} taken over` } });
    const { leave } = await rig.begin(claim, 'waiting');
    await leave();
    await expect.poll(() => processes('sleep 98763'), { timeout: 10_000 }).toEqual([]);
    await rig.restart([claim]);
    expect(await readdir(rig.data)).not.toContain('builds');
    const { finish, log }: { finish: Finish; log: string } = await rig.execute(claim);
    expect(finish.outcome.result, log).toBe('success');
    expect(finish.image?.images[0]?.layers).toEqual({ total: 2, cached: 1 });
  });

  it('does not outlive the process that asked for it', async () => {
    const sha = await rig.commit(sleeping('98764'));
    const [engine, context] = [join(import.meta.dirname, '../../src/docker/engine.ts'), join(rig.data, 'orphan')];
    await exec('git', ['clone', '-q', join(rig.data, 'git', '10.git'), context]);
    await exec('git', ['-C', context, 'checkout', '-q', sha]);
    const script = `import('${engine}').then(({ dockerEngine }) => dockerEngine().build({ cacheNamespace: 'x', context: '${context}', file: '${context}/Dockerfile' }, () => {}))`;
    const child = execFile(process.execPath, ['-e', script]);
    await expect.poll(() => processes('sleep 98764'), { timeout: 20_000 }).not.toEqual([]);
    child.kill('SIGKILL');
    await expect.poll(() => processes('sleep 98764'), { timeout: 10_000 }).toEqual([]);
  });
});

describe('verify', () => {
  it('sees the programs of the image, and the run keeps what was seen', async () => {
    const built = await build(
      { Dockerfile: `FROM ${SMALL}\n` },
      {},
      { spec: { verify: { binaries: ['sh', '/bin/cat'], run: ['/bin/sh', '-c', 'exit 0'] } } },
    );
    const [one] = recordOf(built).images;
    expect(one?.verified.join('\n')).toMatch(/\/bin\/sh[\s\S]*\/bin\/cat/);
  });

  it('fails what could not be started, with all of its problems, and nothing is pushed or told', async () => {
    const files = {
      Dockerfile: `FROM ${SMALL}\nCOPY app script /bin/\n`,
      app: 'no program\n',
      script: '#!/bin/nothing\n',
    };
    const verify = { binaries: ['/bin/app', '/bin/script', '/bin/absent'], run: ['/bin/app'] };
    const { finish, log } = await build(files, { push: ['127.0.0.1:9/never:1'] }, { spec: { verify } });
    expect(finish.outcome).toMatchObject({ result: 'failure', reason: 'exit' });
    for (const path of verify.binaries) expect(finish.outcome.message).toContain(path);
    expect(log).not.toMatch(/pushed|exec format/i);
    expect([finish.image, finish.outputs]).toEqual([undefined, {}]);
  });

  it('fails an image whose command ends badly', async () => {
    const verify = { binaries: ['/bin/sh'], run: ['/bin/sh', '-c', 'echo that is why; exit 3'] };
    const { finish, log } = await build({ Dockerfile: `FROM ${SMALL}\n` }, {}, { spec: { verify } });
    expect(finish.outcome.result).toBe('failure');
    expect(log).toContain('that is why');
  });
});
