import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Complaint, type VerbContext } from '../../src/cli/exit.ts';
import { verify, type VerifyOptions } from '../../src/cli/verify.ts';
import { parsePlatform } from '../../src/core/verify/platform.ts';
import { makeElf } from '../support/elf.ts';

let folder: string;
let said: string;
let context: VerbContext;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-verify-cli-'));
  said = '';
  context = {
    cwd: folder,
    json: false,
    // An engine that is not there: what is a file is told without one.
    environment: { DOCKER_HOST: `unix://${folder}/no.sock` },
    write: (text) => (said += String(text)),
    complain: (line) => (said += `${line}\n`),
    interrupted: new AbortController().signal,
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(name: string, content: Uint8Array | string, mode = 0o755): Promise<void> {
  await writeFile(join(folder, name), content);
  await chmod(join(folder, name), mode);
}

const ask = (given: string, options: Partial<VerifyOptions> = {}, command: readonly string[] = []) =>
  verify(given, command, { binary: [], ...options }, context);
const own = parsePlatform(process.arch);
const other = own?.name === 'linux/amd64' ? 'linux/arm64' : 'linux/amd64';

describe('hearth verify of a file', () => {
  it('looks for its loader and libraries on this machine', async () => {
    expect(await ask(process.execPath)).toBe(0);
    expect(said).toMatch(/its loader \S+ and its \d+ libraries fit and are on this machine/);
    expect(said).toContain(`${process.execPath} is good for ${own?.name}\n`);
  });

  it('for another platform says what was not checked', async () => {
    const target = parsePlatform(other);
    await put(
      'x.bin',
      makeElf({ ...(target && { machine: target.machine }), interpreter: '/lib/ld.so', needed: ['liba.so'] }),
    );
    expect(await ask('./x.bin', { platform: other })).toBe(0);
    expect(said).toContain(
      `not checked: Whether ${folder}/x.bin finds /lib/ld.so and liba.so where it is to run was NOT checked.`,
    );
    expect(said).toContain(`./x.bin is good for ${other}, as far as it was checked\n`);
  });

  it('is not good with a problem, and says so as JSON, too', async () => {
    await put('x.sh', '#!/bin/sh\n', 0o644);
    expect(await ask('x.sh')).toBe(1);
    expect(said).toContain(`problem: ${folder}/x.sh is not executable (mode 0644). Run chmod +x on it in the build.`);
    said = '';
    context = { ...context, json: true };
    expect(await ask('x.sh')).toBe(1);
    expect(JSON.parse(said)).toMatchObject({
      subject: 'x.sh',
      platform: own?.name,
      good: false,
      problems: [expect.stringMatching(/not executable/)],
    });
  });

  it('tells of links that lead nowhere, of folders and of pipes', async () => {
    await symlink('nowhere', join(folder, 'broken'));
    await symlink('loop', join(folder, 'loop'));
    await mkdir(join(folder, 'sub'));
    expect(await ask('./loop')).toBe(1);
    expect(await ask('./sub')).toBe(1);
    expect(await ask('./broken')).toBe(1);
    expect(said).toMatch(/leads in a circle.*is a folder\..*leads through the link/s);
  });

  it.each([
    ['./none', {}, [], 3, /no such file/],
    ['none', {}, [], 3, /none is no file, and the Docker engine does not answer/],
    ['./x', { platform: 'linux/z80' }, [], 2, /--platform linux\/z80 is not known. Name one of linux\/amd64, /],
    ['./x', { binary: ['y'] }, [], 2, /--binary is for programs of an image/],
    ['./x', {}, ['y'], 2, /a command is only run in an image/],
  ] as const)('is refused when it cannot be: %s %j %j', async (given, options, command, exit, says) => {
    await put('x', '#!/bin/sh\n');
    const refused = await ask(given, options, command).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Complaint);
    expect((refused as Complaint).exit).toBe(exit);
    expect((refused as Complaint).message).toMatch(says);
  });
});
