/** Verification of real images: files read through the engine, programs made by the compiler, and what the kernel says. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Complaint } from '../../src/cli/exit.ts';
import { verify as verifyVerb } from '../../src/cli/verify.ts';
import type { VerifyReport, VerifySpec } from '../../src/core/verify/verify.ts';
import { dockerEngine } from '../../src/docker/engine.ts';
import { openImageFiles } from '../../src/docker/image-files.ts';
import { sweepVerifications, verifyImage } from '../../src/docker/verify-image.ts';
import { makeElf } from '../support/elf.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const engine = dockerEngine();
const made: string[] = [];
let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'hearth-verify-test-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
  if (made.length > 0) await engine.command(['image', 'rm', '--force', ...made]);
  expect(await engine.list('hearth.verify')).toEqual([]);
});

type Content = string | Uint8Array;

/** Builds an image of a Dockerfile and files; returns its id. */
async function build(
  dockerfile: string,
  files: Readonly<Record<string, Content>> = {},
  platform?: string,
): Promise<string> {
  const context = await mkdtemp(join(scratch, 'context-'));
  for (const [path, content] of Object.entries({ Dockerfile: dockerfile, ...files })) {
    await mkdir(dirname(join(context, path)), { recursive: true });
    await writeFile(join(context, path), content, { mode: 0o755 });
  }
  const options = platform === undefined ? [] : ['--platform', platform];
  const { stdout } = await execa('/usr/bin/docker', ['build', '--quiet', ...options, context], {
    env: { DOCKER_BUILDKIT: '1' },
  });
  made.push(stdout.trim());
  return stdout.trim();
}

interface Asked extends Partial<VerifySpec> {
  readonly platform?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function verify(
  image: string,
  { platform, binaries = [], run = null, timeoutMs = 60_000, signal }: Asked = {},
): Promise<VerifyReport> {
  return verifyImage(engine, {
    ...{ image, platform: platform ?? null, spec: { binaries, run }, timeoutMs, say: () => undefined },
    ...(signal === undefined ? {} : { signal }),
  });
}

const sound = { problems: [], unchecked: [] };

describe('an image with programs that cannot run', () => {
  it('gets a sentence for each fault, all at once, and its command is not run', async () => {
    const machO = new Uint8Array([0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, ...new Uint8Array(24)]);
    const image = await build(
      [
        `FROM ${TEST_IMAGE}`,
        'COPY bin/ /usr/local/bin/',
        'RUN cp /usr/bin/git /usr/local/bin/cut && truncate -s 70000 /usr/local/bin/cut \\',
        ' && chmod 644 /usr/local/bin/plain && ln -s nowhere /usr/local/bin/broken && ln -s loop /usr/local/bin/loop \\',
        ' && cp /usr/bin/git /usr/local/bin/stripped && rm /lib/x86_64-linux-gnu/libz.so*',
        'ENTRYPOINT ["macos"]',
      ].join('\n'),
      {
        'bin/macos': machO,
        'bin/arm': makeElf({ machine: 183, type: 2 }),
        'bin/python': '#!/usr/bin/python3\n',
        'bin/env': '#!/usr/bin/env python3\n',
        'bin/plain': '#!/bin/sh\n',
        'bin/odd': makeElf({ bits: 32, machine: 3, type: 2 }),
      },
    );
    const names = ['macos', 'arm', 'stripped', 'python', 'env', 'cut', 'plain', 'odd', 'broken', 'loop'].map(
      (name) => `/usr/local/bin/${name}`,
    );
    const { problems, unchecked } = await verify(image, {
      binaries: [...names, '/usr', 'absent'],
      run: ['arm', '--version'],
    });
    expect(problems).toEqual([
      '/usr/local/bin/macos is Mach-O arm64, a macOS program; the image is linux/amd64. Build it for linux/amd64.',
      '/usr/local/bin/arm is 64-bit ELF for ARM 64 (AArch64) (linux/arm64), the image is linux/amd64. Build it for linux/amd64.',
      '/usr/local/bin/stripped needs the library libz.so.1, which is not in the image. Install the package that has it, or link it statically.',
      '/usr/local/bin/python is a script for /usr/bin/python3, which is not in the image. Install it, or name another in the first line.',
      expect.stringMatching(/^\/usr\/local\/bin\/env is a script for python3, which is not on the PATH in the image/),
      expect.stringMatching(/^\/usr\/local\/bin\/cut is a truncated ELF file: .* and the file ends at byte 70000/),
      '/usr/local/bin/plain is not executable (mode 0644). Run chmod +x on it in the build.',
      expect.stringMatching(/^\/usr\/local\/bin\/odd has the wrong word size: it is 32-bit ELF for Intel 386/),
      expect.stringMatching(/^\/usr\/local\/bin\/broken leads through the link/),
      '/usr/local/bin/loop is a link that leads in a circle, or to a name that is too long. Correct the link.',
      '/usr is a folder. Name the program in it.',
      expect.stringMatching(/^absent is not on the PATH/),
    ]);
    expect(unchecked).toEqual(['The command was NOT run, because of the problems.']);
    expect((await verify(image)).problems).toEqual([problems[0]]);
  });

  it('gets one when it is for another platform as a whole', async () => {
    expect((await verify(TEST_IMAGE, { platform: 'linux/arm64' })).problems).toEqual([
      'The image is linux/amd64, and linux/arm64 was asked for. Build it with --platform linux/arm64.',
      expect.stringMatching(/^\/.*bash is 64-bit ELF for x86-64 \(linux\/amd64\), linux\/arm64 was asked for/),
    ]);
  });

  it('gets one when nothing is there, known or started', async () => {
    expect((await verify('hearth-was-never-there:1')).problems).toEqual([
      expect.stringMatching(/^There is no image hearth-was/),
    ]);
    expect((await verify(TEST_IMAGE, { platform: 'plan9/mips' })).problems).toEqual([
      expect.stringMatching(/^Programs for plan9\/mips/),
    ]);
    const empty = await build('FROM scratch\nCOPY x /x', { x: 'x' });
    expect((await verify(empty)).problems).toEqual([expect.stringMatching(/neither an entry point nor a command/)]);
    const stranger = await build('FROM scratch\nCOPY x /x\nUSER mona\nCMD ["/x"]', { x: makeElf({ type: 2 }) });
    expect((await verify(stranger)).problems).toEqual([
      expect.stringMatching(/run as mona, and its \/etc\/passwd has no such user/),
    ]);
  });
});

describe('an image with programs that can run', () => {
  it('is good, and its command runs without a network as the user of the image', async () => {
    const image = await build(
      `FROM ${TEST_IMAGE}\nRUN useradd --uid 1234 mona\nUSER mona\nWORKDIR /tmp\nENTRYPOINT ["git"]`,
    );
    const run = ['sh', '-c', 'id -u; pwd; ls /sys/class/net'];
    const report = await verify(image, { run, platform: 'linux/amd64' });
    expect(report).toMatchObject({ platform: 'linux/amd64', ...sound });
    expect(report.facts).toEqual([
      '/usr/bin/git is 64-bit ELF for linux/amd64; its loader /lib64/ld-linux-x86-64.so.2 and its 3 libraries fit and are in the image.',
      expect.stringMatching(/\/sh is 64-bit ELF for linux\/amd64/),
      expect.stringMatching(/ended with exit code 0 after [\d.]+ s: 1234\.$/),
    ]);
    const seen = await verify(image, { run: ['sh', '-c', 'pwd; ls /sys/class/net; exit 3'] });
    expect(seen.problems).toEqual([
      expect.stringMatching(/ended with exit code 3\..*Its last lines:\n {4}\/tmp\n {4}lo$/s),
    ]);
  });

  it('may hold a single static program', async () => {
    await writeFile(join(scratch, 'hello.c'), '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n');
    await execa('cc', ['-static', '-o', join(scratch, 'hello'), join(scratch, 'hello.c')]);
    const image = await build('FROM scratch\nCOPY hello /hello\nENTRYPOINT ["/hello"]', {
      hello: (await execa('cat', [join(scratch, 'hello')], { encoding: 'buffer' })).stdout,
    });
    const report = await verify(image, { run: ['/hello'] });
    expect(report).toMatchObject(sound);
    expect(report.facts[1]).toMatch(/exit code 0 after [\d.]+ s: hello\./);
  });

  it('finds libraries where ldconfig has put them on record, as the kernel and the loader of the image do', async () => {
    await writeFile(join(scratch, 'own.c'), 'int own(void) { return 7; }\n');
    await writeFile(join(scratch, 'main.c'), 'int own(void);\nint main(void) { return own() - 7; }\n');
    await execa('cc', ['-shared', '-fPIC', '-o', join(scratch, 'libown.so'), join(scratch, 'own.c')]);
    await execa('cc', ['-o', join(scratch, 'main'), join(scratch, 'main.c'), `-L${scratch}`, '-lown']);
    const read = async (name: string): Promise<Uint8Array> =>
      (await execa('cat', [join(scratch, name)], { encoding: 'buffer' })).stdout;
    const files = { main: await read('main'), 'libown.so': await read('libown.so') };
    const lines = `FROM ${TEST_IMAGE}\nCOPY main /usr/local/bin/main\nCOPY libown.so /usr/local/lib/libown.so\nCMD ["main"]`;
    // The file /etc/ld.so.conf.d names the folder in both; the loader reads only what ldconfig made of it.
    const [without, withIt] = [await build(lines, files), await build(`${lines}\nRUN ldconfig`, files)];
    expect((await verify(without)).problems).toEqual([
      expect.stringMatching(
        /needs the library libown\.so, which its loader does not find: it lies in \/usr\/local\/lib\. Run ldconfig/,
      ),
    ]);
    await expect(engine.command(['run', '--rm', without])).rejects.toThrow(
      /libown\.so: cannot open shared object file/,
    );
    expect(await verify(withIt, { run: ['main'] })).toMatchObject(sound);
  });

  it('agrees with ldd about programs of a real image', async () => {
    const list =
      'for f in $(find -L /usr/bin /usr/sbin /usr/lib/git-core -maxdepth 1 -type f -perm -100 | sort | awk "NR % 60 == 0"); do head -c4 $f | grep -q ELF && echo $f; done';
    const names = (await engine.command(['run', '--rm', '--network', 'none', TEST_IMAGE, 'sh', '-c', list]))
      .split('\n')
      .filter((name) => name !== '');
    expect(names.length).toBeGreaterThan(2);
    const report = await verify(TEST_IMAGE, { binaries: names, timeoutMs: 110_000 });
    expect(report).toMatchObject(sound);
    const said = await engine.command([
      'run',
      '--rm',
      '--network',
      'none',
      TEST_IMAGE,
      'sh',
      '-c',
      'for f in "$@"; do echo "$f $(ldd $f | grep -c "=> /")"; done',
      '-',
      ...names,
    ]);
    for (const line of said.split('\n')) {
      const [name = '', count] = line.split(' ');
      const fact = report.facts.find((text) => text.startsWith(`${name} is`)) ?? '';
      const own = /its (\d+) libraries/.exec(fact)?.[1] ?? (fact.includes('its library') ? '1' : '0');
      expect(`${name} ${own}`).toBe(`${name} ${count}`);
    }
  });
});

describe('a command', () => {
  it('that does not end is killed and its container removed', async () => {
    const report = await verify(TEST_IMAGE, {
      binaries: ['sh'],
      run: ['sh', '-c', 'trap "" TERM; echo begun; sleep 1000'],
      timeoutMs: 20_000,
    });
    expect(report.problems).toEqual([
      expect.stringMatching(/had not ended after [\d.]+ s and was killed\..*\n {4}begun$/s),
    ]);
    expect(await engine.list('hearth.verify')).toEqual([]);
  });

  it('ends when nobody wants to know any more', async () => {
    const stop = new AbortController();
    const verified = verify(TEST_IMAGE, { binaries: ['sh'], run: ['sleep', '1000'], signal: stop.signal });
    const refused = expect(verified).rejects.toThrow('nobody waits');
    await expect.poll(async () => engine.command(['ps', '--quiet', '--filter', 'label=hearth.verify'])).not.toBe('');
    stop.abort(new Error('nobody waits'));
    await refused;
    expect(await engine.list('hearth.verify')).toEqual([]);
  });

  it('for a machine that nobody can be here is told with what to install', async () => {
    const image = await build(
      'FROM scratch\nCOPY x /x\nCMD ["/x"]',
      { x: makeElf({ type: 2, machine: 22, order: 'big' }) },
      'linux/s390x',
    );
    const report = await verify(image, { run: ['/x'] });
    expect(report.platform).toBe('linux/s390x');
    expect(report.problems).toEqual([
      expect.stringMatching(
        /^This machine \(linux\/\w+\) cannot run programs for linux\/s390x, so `\/x` was not run\. Install qemu-user-static/,
      ),
    ]);
  });
});

describe('hearth verify', () => {
  let said = '';
  const ask = async (
    given: string,
    command: readonly string[] = [],
    binary: readonly string[] = [],
  ): Promise<number> => {
    said = '';
    const add = (text: string | Uint8Array): void => {
      said += `${String(text)}\n`;
    };
    const signal = new AbortController().signal;
    const context = { cwd: scratch, json: false, environment: {}, write: add, complain: add, interrupted: signal };
    return verifyVerb(given, command, { binary }, context).catch((error: unknown) => {
      if (!(error instanceof Complaint)) throw error;
      add(error.message);
      return error.exit;
    });
  };

  it('takes an image by its name, and runs a command in it', async () => {
    await mkdir(join(scratch, TEST_IMAGE), { recursive: true });
    expect(await ask(TEST_IMAGE, ['sh', '-c', 'echo seen'], ['sh'])).toBe(0);
    expect(said).toMatch(/seen\.\n.* is good for linux\/\w+\n/);
    expect(await ask(TEST_IMAGE, [], ['absent'])).toBe(1);
    expect(said).toContain('problem: absent is not on the PATH');
  });

  it('asks about what is both, and tells of what is neither', async () => {
    const name = 'hearth-test/verify.both';
    await engine.command(['tag', TEST_IMAGE, name]);
    made.push(name);
    await mkdir(join(scratch, 'hearth-test'));
    await writeFile(join(scratch, name), 'x');
    expect([await ask(name), said]).toEqual([
      2,
      expect.stringMatching(/is an image and a file\. Write \.\/hearth-test/),
    ]);
    expect([await ask('hearth-test/none'), said]).toEqual([
      3,
      expect.stringMatching(/no image and no file hearth-test\/none/),
    ]);
    await writeFile(join(scratch, 'plain'), 'x');
    expect([await ask('plain'), said]).toEqual([
      2,
      expect.stringMatching(/no image plain, but there is a file\. Write \.\/plain/),
    ]);
    expect([await ask('Not An Image'), said]).toEqual([3, expect.stringMatching(/no image and no file/)]);
  });
});

describe('the files of an image', () => {
  const request = (name: string, image: string) => ({
    image,
    name,
    label: 'hearth.verify=9999999999',
    signal: new AbortController().signal,
  });

  it('are read as they are, with odd names, modes, owners and holes', async () => {
    const image = await build(
      [
        `FROM ${TEST_IMAGE}`,
        `RUN mkdir -p "/odd/a b/ünï" && echo hi > "/odd/a b/ünï/-x:y" && chown 12:34 "/odd/a b/ünï/-x:y" && chmod 640 "/odd/a b/ünï/-x:y"`,
        `RUN ln -s /${'l'.repeat(200)}/ü /odd/link && ln -s /${'l'.repeat(300)} /odd/endless && mkfifo /odd/pipe && truncate -s 300M /odd/holes && printf end >> /odd/holes`,
        'RUN head -c 9000000 /dev/urandom > /odd/large && sha256sum /odd/large > /odd/sum',
        'VOLUME /odd/volume',
      ].join('\n'),
    );
    await using files = await openImageFiles(engine, request('hearth-verify-test-odd', image));
    expect(await files.entry('/odd/a b/ünï/-x:y')).toEqual({ kind: 'file', size: 3, mode: 0o640, uid: 12, gid: 34 });
    expect(await files.entry('/odd/link')).toEqual({ kind: 'link', target: `/${'l'.repeat(200)}/ü` });
    expect(await files.entry('/odd/endless')).toEqual({ kind: 'link', target: null });
    expect(await files.entry(`/odd/${'n'.repeat(300)}`)).toBeUndefined();
    expect(await files.entry('/odd/pipe')).toEqual({ kind: 'other' });
    expect(await files.entry('/odd')).toMatchObject({ kind: 'folder', mode: 0o755 });
    expect(await files.entry('/odd/none')).toBeUndefined();
    expect(await files.entry('/odd/a b/ünï/-x:y/more')).toBeUndefined();
    {
      await using holes = await files.open('/odd/holes');
      expect(holes.size).toBe(300 * 1024 ** 2 + 3);
      expect(Buffer.from(await holes.read(holes.size - 4, 4)).toString()).toBe('\0end');
    }
    await using large = await files.open('/odd/large');
    const hash = createHash('sha256')
      .update(await large.read(0, large.size))
      .digest('hex');
    await using sum = await files.open('/odd/sum');
    expect(Buffer.from(await sum.read(0, 64)).toString()).toBe(hash);
  });

  it('fail loudly when their container is gone', async () => {
    const { id } = (await engine.image(TEST_IMAGE)) ?? { id: '' };
    await using files = await openImageFiles(engine, request('hearth-verify-test-gone', id));
    await engine.remove(['hearth-verify-test-gone']);
    await expect(files.entry('/etc')).rejects.toThrow(/docker cp of "\/etc"/);
  });

  it('leave no container behind, also not one of a process that died', async () => {
    const { id } = (await engine.image(TEST_IMAGE)) ?? { id: '' };
    const label = (seconds: number): string => `hearth.verify=${Math.round(Date.now() / 1000) + seconds}`;
    const create = (seconds: number): Promise<string> => engine.command(['create', '--label', label(seconds), id]);
    const [old, fresh] = [await create(-3600), await create(3600)];
    await sweepVerifications(engine);
    expect(await engine.list('hearth.verify')).toEqual([fresh]);
    await engine.remove([old, fresh]);
  });
});
