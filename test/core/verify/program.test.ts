import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../../../src/core/verify/platform.ts';
import { checkPrograms, type Surroundings } from '../../../src/core/verify/program.ts';
import { ROOT } from '../../../src/core/verify/users.ts';
import { filesInMemory, makeElf, type FileInMemory } from '../../support/elf.ts';

type Tree = Readonly<Record<string, Uint8Array | string | FileInMemory>>;

const GLIBC = '/lib64/ld-linux-x86-64.so.2';
const MUSL = '/lib/ld-musl-x86_64.so.1';
const loader = makeElf({
  soname: 'ld-linux-x86-64.so.2',
  text: 'x\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0',
});
const libc = makeElf({ soname: 'libc.so.6', needed: ['ld-linux-x86-64.so.2'], provides: ['GLIBC_2.17', 'GLIBC_2.34'] });
const program = (change: Parameters<typeof makeElf>[0] = {}): Uint8Array =>
  makeElf({ interpreter: GLIBC, needed: ['libc.so.6'], ...change });
const library = (change: Parameters<typeof makeElf>[0] = {}): Uint8Array =>
  makeElf({ needed: ['libc.so.6'], ...change });
/** What a small image of glibc holds. */
const base: Tree = {
  '/lib64': '→ usr/lib64',
  '/lib': '→ usr/lib',
  '/usr/lib64/ld-linux-x86-64.so.2': '→ /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
  '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2': loader,
  '/usr/lib/x86_64-linux-gnu/libc.so.6': libc,
  '/bin/sh': program(),
};
const amd64 = parsePlatform('linux/amd64');

function check(tree: Tree, names: readonly string[] = ['/x'], change: Partial<Surroundings> = {}) {
  if (amd64 === undefined) throw new Error('linux/amd64 is known');
  return checkPrograms(names, {
    files: filesInMemory({ ...base, ...tree }),
    demand: { platform: amd64, because: 'the image is linux/amd64' },
    ...{ user: ROOT, env: {}, workingFolder: '/', where: 'in the image', isWhole: true },
    ...change,
  });
}

async function problemsOf(...args: Parameters<typeof check>): Promise<readonly string[]> {
  return (await check(...args)).problems;
}

describe('a program that can run', () => {
  it.each([
    [
      'linked dynamically',
      program(),
      'its loader /lib64/ld-linux-x86-64.so.2 and its library fit and are in the image',
    ],
    ['static', makeElf({ type: 2 }), 'needs no loader or library'],
    ['static and movable', makeElf({ flags: 0x08000000 }), 'needs no loader or library'],
    ['a script', '#!/bin/sh -e\n', 'is a script (#!/bin/sh -e)'],
  ])('is told with what was seen of it: %s', async (_what, file, fact) => {
    const { problems, facts, unchecked } = await check({ '/x': file });
    expect({ problems, unchecked }).toEqual({ problems: [], unchecked: [] });
    expect(facts.join('\n')).toContain(fact);
  });

  it('may be the loader itself', async () => {
    expect(await problemsOf({}, [GLIBC])).toEqual([]);
  });

  it('is found on the PATH, past a file that may not be executed, or from the working folder', async () => {
    const tree = { '/a/x': { content: program(), mode: 0o644 }, '/b/x': program(), '/w/y': program() };
    expect((await check(tree, ['x'], { env: { PATH: '/a:/b' } })).facts).toEqual([expect.stringMatching(/^\/b\/x is/)]);
    expect((await check(tree, ['./y'], { workingFolder: '/w' })).problems).toEqual([]);
    expect(await problemsOf(tree, ['x'], { env: { PATH: '/a' } })).toEqual([
      expect.stringMatching(/^\/a\/x is not executable/),
    ]);
  });
});

describe('a program that cannot run is told with what it is and what to do', () => {
  const machO = new Uint8Array([0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1, ...new Uint8Array(24)]);
  it.each<readonly [string, Uint8Array | string | FileInMemory, string]>([
    ['Mach-O', machO, '/x is Mach-O arm64, a macOS program; the image is linux/amd64. Build it for linux/amd64.'],
    ['PE', 'MZ\0\0', '/x is MS-DOS, a Windows program; the image is linux/amd64. Build it for linux/amd64.'],
    [
      'another machine',
      program({ machine: 183 }),
      '/x is 64-bit ELF for ARM 64 (AArch64) (linux/arm64), the image is linux/amd64. Build it for linux/amd64.',
    ],
    [
      'another word size',
      program({ bits: 32, machine: 3 }),
      '/x has the wrong word size: it is 32-bit ELF for Intel 386 (linux/386), the image is linux/amd64, which takes 64-bit programs. Build it for linux/amd64.',
    ],
    [
      'another byte order',
      program({ order: 'big' }),
      '/x has the wrong byte order: it is 64-bit big-endian ELF for x86-64, the image is linux/amd64, which is little-endian. Build it for linux/amd64.',
    ],
    [
      'no loader',
      program({ interpreter: MUSL }),
      `/x needs the loader ${MUSL} (of musl), which is not in the image. Link it statically, or use a base image with musl.`,
    ],
    [
      'no library',
      program({ needed: ['libcurl.so.4', 'libc.so.6'] }),
      '/x needs the library libcurl.so.4, which is not in the image. Install the package that has it, or link it statically.',
    ],
    [
      'no interpreter',
      '#!/usr/bin/python3\n',
      '/x is a script for /usr/bin/python3, which is not in the image. Install it, or name another in the first line.',
    ],
    [
      'line ends of Windows after an option',
      '#!/bin/sh -e\r\n',
      '/x ends its first line as Windows does (CR LF), so /bin/sh is given "-e\\r". Save it with plain line ends (LF).',
    ],
    [
      'line ends of Windows',
      '#!/bin/sh\r\n',
      '/x ends its first line as Windows does (CR LF), so Linux looks for "/bin/sh\\r". Save it with plain line ends (LF).',
    ],
    ['no name after #!', '#! \n', '/x names no interpreter after #!. Write one, such as #!/bin/sh.'],
    [
      'text',
      'echo\n',
      '/x is text without #! in its first line, so Linux does not know what runs it. Begin it with its interpreter, such as #!/bin/sh.',
    ],
    ['empty', '', '/x is an empty file. Copy or build it again.'],
    [
      'a broken link',
      '→ /opt/x',
      '/x leads through the link /x to /opt/x, which is not in the image. Correct the link.',
    ],
    ['a loop', '→ x', '/x is a link that leads in a circle, or to a name that is too long. Correct the link.'],
    ['a folder', { kind: 'folder' }, '/x is a folder. Name the program in it.'],
    ['a device', { kind: 'other' }, '/x is a device, a pipe or a socket. Name a program.'],
    [
      'not executable',
      { content: program(), mode: 0o644 },
      '/x is not executable (mode 0644). Run chmod +x on it in the build.',
    ],
    ['an object file', makeElf({ type: 1 }), '/x is an object file (.o), no program. Link it.'],
    ['a core dump', makeElf({ type: 4 }), '/x is a core dump, no program. Name the program.'],
    ['a library', library(), '/x is a shared library, no program. Name a program.'],
  ])('%s', async (_what, file, sentence) => {
    expect(await problemsOf({ '/x': file })).toEqual([sentence]);
  });

  it('missing, in two ways', async () => {
    expect(await problemsOf({})).toEqual(['/x is not in the image. Put it there, or correct its name.']);
    expect(await problemsOf({}, ['x'], { env: { PATH: '/a:/b' } })).toEqual([
      'x is not on the PATH (/a:/b). Install it, or name its whole path.',
    ]);
    expect(await problemsOf({}, ['/x\0y', ''])).toEqual([
      '"/x\\u0000y" is not in the image. Put it there, or correct its name.',
      'A program without a name was asked for. Name one.',
    ]);
  });

  it('truncated, with the byte where it ends', async () => {
    expect(await problemsOf({ '/x': program().slice(0, 300) })).toEqual([
      expect.stringMatching(/^\/x is a truncated ELF file: .* reach to byte \d+ and the file ends at byte 300\. Copy/),
    ]);
  });

  it('for the user of the image alone', async () => {
    const user = { uid: 1000, gids: new Set([1000]) };
    const file = (mode: number, uid = 0): Tree => ({ '/x': { content: '#!/bin/sh\n', mode, uid } });
    expect(await problemsOf(file(0o700), ['/x'], { user })).toEqual([
      '/x may not be executed by user 1000 (mode 0700, owner 0:0). Change its mode or owner in the build.',
      '/x is a script that user 1000 may not read. Change its mode in the build.',
    ]);
    expect(await problemsOf(file(0o711), ['/x'], { user })).toEqual([
      '/x is a script that user 1000 may not read. Change its mode in the build.',
    ]);
    expect(await problemsOf(file(0o700, 1000), ['/x'], { user })).toEqual([]);
    const closed: Tree = { '/root': { kind: 'folder', mode: 0o700 }, '/root/x': program() };
    expect(await problemsOf(closed, ['/root/x'], { user })).toEqual([
      '/root/x cannot be reached by user 1000, who may not enter /root. Change its mode in the build.',
    ]);
    expect(await problemsOf(closed, ['/root/x'])).toEqual([]);
  });

  it('with every problem of every program, each once', async () => {
    const tree = {
      '/x': { content: program({ needed: ['liba.so', 'libb.so'] }), mode: 0o644 },
      '/y': machO,
      '/z': '#!/y\n',
      '/zz': '#!/y\n',
    };
    const problems = await problemsOf(tree, ['/x', '/y', '/z', '/y']);
    expect(problems).toHaveLength(5);
    expect(problems[4]).toBe(
      '/z cannot start: /y is Mach-O arm64, a macOS program; the image is linux/amd64. Build it for linux/amd64.',
    );
  });

  it('without handing what a terminal would act upon to one', async () => {
    expect(await problemsOf({}, ['/\u001b[31mx\n\u202e'])).toEqual([
      '"/\\u001b[31mx\\n\\u202e" is not in the image. Put it there, or correct its name.',
    ]);
  });
});

describe('the program that env looks for', () => {
  const tree = { '/usr/bin/env': program(), '/usr/bin/node': program() };
  it.each([
    ['node', []],
    ['-S node --flag', []],
    ['-S A=1 node', []],
    ['-i', []],
    [
      'python3',
      [
        '/x is a script for python3, which is not on the PATH in the image (/usr/bin). Install it, or name another in the first line.',
      ],
    ],
    [
      '-S deno run',
      [
        '/x is a script for deno, which is not on the PATH in the image (/usr/bin). Install it, or name another in the first line.',
      ],
    ],
    [
      'node --flag',
      [
        '/x asks env for a program called "node --flag": all after env is one word. Write #!/usr/bin/env -S node --flag.',
      ],
    ],
  ])('has to be there: %s', async (argument, problems) => {
    expect(
      await problemsOf({ ...tree, '/x': `#!/usr/bin/env ${argument}\n` }, ['/x'], { env: { PATH: '/usr/bin' } }),
    ).toEqual(problems);
  });
});

describe('scripts that run scripts', () => {
  it('may be as deep as Linux goes, and no circle', async () => {
    const chain = (depth: number): Tree =>
      Object.fromEntries(
        Array.from({ length: depth }, (_, index) => [
          index === 0 ? '/x' : `/s${index}`,
          index === depth - 1 ? '#!/bin/sh\n' : `#!/s${index + 1}\n`,
        ]),
      );
    expect(await problemsOf(chain(5))).toEqual([]);
    expect(await problemsOf(chain(6))).toEqual([expect.stringContaining('than Linux follows')]);
    expect(await problemsOf({ '/x': '#!/x\n' })).toEqual([expect.stringContaining('than Linux follows')]);
  });
});

describe('a file without its surroundings', () => {
  it('is looked at itself, and what was not looked at is named', async () => {
    const seen = await check(
      { '/x': program(), '/y': '#!/nowhere\n', '/z': makeElf({ type: 2 }) },
      ['/x', '/y', '/z'],
      { isWhole: false },
    );
    expect(seen.problems).toEqual([]);
    expect(seen.unchecked).toEqual([
      'Whether /x finds /lib64/ld-linux-x86-64.so.2 and libc.so.6 where it is to run was NOT checked.',
      'Whether /nowhere is where /y is to run was NOT checked.',
    ]);
  });
});

describe('libraries', () => {
  const needs = (needed: string, change: Parameters<typeof makeElf>[0] = {}): Uint8Array =>
    program({ needed: [needed, 'libc.so.6'], ...change });

  it('of libraries are needed as well, and it is said for whom', async () => {
    const tree = {
      '/x': needs('liba.so'),
      '/usr/lib/liba.so': library({ needed: ['libb.so', 'libgone.so'] }),
      '/usr/lib/libb.so': library(),
    };
    expect(await problemsOf(tree)).toEqual([
      '/lib/liba.so (for /x) needs the library libgone.so, which is not in the image. Install the package that has it, or link it statically.',
    ]);
  });

  it.each([
    [
      'RUNPATH from where the program really is',
      {
        '/x': '→ /opt/bin/x',
        '/opt/bin/x': needs('liba.so', { runpath: '$ORIGIN/../lib' }),
        '/opt/lib/liba.so': library(),
      },
    ],
    ['RPATH', { '/x': needs('liba.so', { rpath: '/none:/opt/lib' }), '/opt/lib/liba.so': library() }],
    [
      'RPATH of the program for libraries of libraries',
      {
        '/x': needs('liba.so', { rpath: '/opt' }),
        '/opt/liba.so': library({ needed: ['libb.so'] }),
        '/opt/libb.so': library(),
      },
    ],
    [
      'the program, which has loaded it already',
      {
        '/x': program({ needed: ['liba.so', 'libb.so'], runpath: '/opt' }),
        '/opt/liba.so': library({ needed: ['libb.so'] }),
        '/opt/libb.so': library(),
      },
    ],
    [
      'the own name of one that was loaded',
      {
        '/x': program({ needed: ['/opt/liba.so.1.2', 'libb.so'] }),
        '/opt/liba.so.1.2': library({ soname: 'liba.so.1' }),
        '/usr/lib/libb.so': library({ needed: ['liba.so.1'] }),
      },
    ],
    ['$LIB', { '/x': needs('liba.so', { runpath: '/opt/$LIB' }), '/opt/lib/x86_64-linux-gnu/liba.so': library() }],
  ])('are found by %s', async (_how, tree) => {
    expect(await problemsOf(tree)).toEqual([]);
  });

  it('are found by LD_LIBRARY_PATH, and not without it', async () => {
    const tree = { '/x': needs('liba.so'), '/opt/liba.so': library() };
    expect(await problemsOf(tree, ['/x'], { env: { LD_LIBRARY_PATH: '/none:/opt' } })).toEqual([]);
    expect(await problemsOf(tree)).toHaveLength(1);
  });

  it('are not found by the RUNPATH of another', async () => {
    const tree = {
      '/x': needs('liba.so', { runpath: '/opt' }),
      '/opt/liba.so': library({ needed: ['libb.so'] }),
      '/opt/libb.so': library(),
    };
    expect(await problemsOf(tree)).toEqual([
      expect.stringMatching(/^\/opt\/liba\.so \(for \/x\) needs the library libb\.so/),
    ]);
  });

  it('where only ldconfig would look are told with the way out', async () => {
    expect(await problemsOf({ '/x': needs('liba.so'), '/usr/local/lib/liba.so': library() })).toEqual([
      '/x needs the library liba.so, which its loader does not find: it lies in /usr/local/lib. ' +
        'Run ldconfig where /etc/ld.so.conf names that folder, set LD_LIBRARY_PATH, or link with -Wl,-rpath.',
    ]);
  });

  it.each([
    ['for another machine', library({ machine: 183 }), /and \/lib\/liba\.so is 64-bit ELF for ARM 64/],
    ['of another word size', library({ bits: 32, machine: 3 }), /and \/lib\/liba\.so has the wrong word size/],
    ['a linker script', '/* GNU ld script */\n', /and \/lib\/liba\.so is text/],
    ['empty', '', /and \/lib\/liba\.so is an empty file/],
    ['truncated', library().slice(0, 200), /and \/lib\/liba\.so is a truncated ELF file/],
    ['a program', makeElf({ type: 2 }), /and \/lib\/liba\.so is no shared library but a program/],
  ])('have to be whole and fit themselves: %s', async (_what, file, says) => {
    expect(await problemsOf({ '/x': needs('liba.so'), '/usr/lib/liba.so': file })).toEqual([
      expect.stringMatching(says),
    ]);
  });

  it('of another machine are passed over when a later folder has the right one', async () => {
    const tree = {
      '/x': needs('liba.so', { runpath: '/opt' }),
      '/opt/liba.so': library({ machine: 3, bits: 32 }),
      '/usr/lib/liba.so': library(),
    };
    expect(await problemsOf(tree)).toEqual([]);
  });

  it('have to be new enough', async () => {
    const tree = (versions: readonly string[]): Tree => ({ '/x': program({ requires: { 'libc.so.6': versions } }) });
    expect(await problemsOf(tree(['GLIBC_2.34']))).toEqual([]);
    expect(await problemsOf(tree(['GLIBC_2.34', 'GLIBC_2.38']))).toEqual([
      '/x needs GLIBC_2.38 of libc.so.6, and /lib/x86_64-linux-gnu/libc.so.6 is older. ' +
        'Build it on the system that it is to run on, or take a newer one.',
    ]);
  });

  it('of musl are looked for where musl does, and its own are there', async () => {
    const musl = makeElf({ soname: 'libc.musl-x86_64.so.1', text: '\0/lib:/usr/local/lib:/usr/lib\0' });
    const tree = {
      [MUSL.replace('/lib/', '/usr/lib/')]: musl,
      '/x': program({ interpreter: MUSL, needed: ['libc.musl-x86_64.so.1', 'libm.so', 'liba.so'] }),
    };
    expect(await problemsOf({ ...tree, '/usr/local/lib/liba.so': makeElf({ needed: ['libc.so'] }) })).toEqual([]);
    expect(
      await problemsOf({ ...tree, '/etc/ld-musl-x86_64.path': '/opt\n', '/opt/liba.so': makeElf({ soname: 'a' }) }),
    ).toEqual([]);
    expect(await problemsOf({ ...tree, '/usr/lib/x86_64-linux-gnu/liba.so': makeElf({ soname: 'a' }) })).toHaveLength(
      1,
    );
  });

  it('without number are not looked for one by one', async () => {
    const needed = Array.from({ length: 1200 }, (_, index) => `l${index}`);
    expect(await problemsOf({ '/x': program({ needed }) })).toEqual(['/x needs more than 1000 libraries.']);
  });
});
