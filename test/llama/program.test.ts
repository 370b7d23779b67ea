import { closeSync, openSync, readSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { headerProblem, programProblem } from '../../ci/llama/program.ts';

const here = Buffer.alloc(4096);
const handle = openSync(process.execPath, 'r');
readSync(handle, here, 0, here.length, 0);
closeSync(handle);
const machine = here.readUInt16LE(18);
const yes = (): boolean => true;

function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(here);
  change(bytes);
  return bytes;
}

describe('a program', () => {
  it('of this machine with its loader can be started', () => {
    expect(programProblem(process.execPath)).toBeUndefined();
    expect(headerProblem(here, process.arch, yes)).toBeUndefined();
  });

  it('that does not exist is told', () => {
    expect(programProblem('/no/such/program')).toBe('/no/such/program does not exist');
  });

  it.each([
    [183, 'x64', 'is built for arm64, and this is x64; build it for this platform'],
    [62, 'arm64', 'is built for x64, and this is arm64; build it for this platform'],
    [243, 'x64', 'is built for riscv64, and this is x64; build it for this platform'],
    [9999, 'x64', 'is built for machine 9999, and this is x64; build it for this platform'],
  ])('for machine %i is not for %s', (number, arch, problem) => {
    expect(
      headerProblem(
        changed((bytes) => bytes.writeUInt16LE(number, 18)),
        arch,
        yes,
      ),
    ).toBe(problem);
  });

  it.each([
    ['cffaedfe', 'is a program for macOS; build it for Linux on x64'],
    ['cafebabe', 'is a program for macOS; build it for Linux on x64'],
    ['4d5a9000', 'is a program for Windows; build it for Linux on x64'],
    ['00000000', 'is neither a Linux program nor a script'],
    ['7f454c46', 'is no whole 64-bit little-endian program'],
  ])('that begins with %s cannot be started on Linux', (bytes, problem) => {
    expect(headerProblem(Buffer.from(bytes, 'hex'), 'x64', yes)).toBe(problem);
  });

  it('whose loader is missing was built for another C library', () => {
    const arch = machine === 62 ? 'x64' : 'arm64';
    expect(headerProblem(here, arch, () => false)).toMatch(
      /^wants the loader \/lib.*\/ld-linux.*, which is not here: it was built for another C library/,
    );
  });

  it('that is a script needs its interpreter', () => {
    expect(headerProblem(Buffer.from('#! /bin/sh -e\n'), 'x64', (path) => path === '/bin/sh')).toBeUndefined();
    expect(headerProblem(Buffer.from('#!/usr/bin/lua\n'), 'x64', () => false)).toBe(
      'is a script for /usr/bin/lua, which is not here',
    );
    expect(headerProblem(Buffer.from('#!\n'), 'x64', yes)).toBe('is a script that names no interpreter after #!');
  });
});
