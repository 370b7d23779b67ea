import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBinary, type Binary } from '../../../src/core/verify/binary.ts';
import { bytesInMemory, type ByteSource } from '../../../src/core/verify/bytes.ts';
import { makeElf } from '../../support/elf.ts';

const read = (bytes: Uint8Array | string): Promise<Binary> =>
  readBinary(bytesInMemory(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes));
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const full = {
  interpreter: '/lib64/ld.so',
  needed: ['liba.so.1', 'libb.so.2'],
  soname: 'libme.so',
  runpath: '$ORIGIN/../lib',
  flags: 0x08000000,
  requires: { 'liba.so.1': ['A_1', 'A_2'], 'libb.so.2': ['B_1'] },
  provides: ['libme.so', 'ME_1'],
  sections: 40,
} as const;

describe('an ELF file', () => {
  it.each([
    [64, 'little', 62],
    [64, 'big', 22],
    [32, 'little', 40],
    [32, 'big', 20],
  ] as const)('of %i bits and %s-endian is read in its own layout', async (bits, order, machine) => {
    expect(await read(makeElf({ ...full, bits, order, machine }))).toEqual({
      kind: 'elf',
      ...{ bits, order, machine, type: 'shared', interpreter: '/lib64/ld.so' },
      dynamic: {
        ...{ needed: ['liba.so.1', 'libb.so.2'], soname: 'libme.so', rpath: null, runpath: '$ORIGIN/../lib' },
        ...{ skipsDefaults: false, isProgram: true, provides: ['libme.so', 'ME_1'] },
        requires: [
          { library: 'liba.so.1', versions: ['A_1', 'A_2'] },
          { library: 'libb.so.2', versions: ['B_1'] },
        ],
      },
    });
  });

  it('that leaves nothing to a loader has no dynamic section', async () => {
    expect(await read(makeElf({ type: 2 }))).toMatchObject({ type: 'program', interpreter: null, dynamic: null });
  });

  it.each([
    [1, 'relocatable'],
    [4, 'core'],
    [9, 'other'],
  ])('of type %i is told as %s', async (type, says) => {
    expect(await read(makeElf({ type }))).toMatchObject({ kind: 'elf', type: says });
  });

  it('is truncated wherever it is cut off, and never taken for anything else', async () => {
    const whole = makeElf(full);
    for (let length = 4; length < whole.length; length++)
      expect(await read(whole.slice(0, length)), `${length} bytes`).toMatchObject({
        kind: 'flawed',
        flaw: {
          kind: 'truncated',
          what: expect.stringMatching(/reach to byte \d+ and the file ends at byte \d+$/) as string,
        },
      });
    for (const length of [1, 2, 3])
      expect(await read(whole.slice(0, length))).toMatchObject({ kind: 'flawed', flaw: { kind: 'truncated' } });
  });

  it.each([
    ['program headers far outside', 32, 'ffffffffffffff7f', 'truncated'],
    ['no program headers', 56, '0000', 'malformed'],
    ['program headers of another size', 54, '2000', 'malformed'],
    ['more program headers than Linux takes', 56, 'ffff', 'malformed'],
    ['no word size', 4, '07', 'malformed'],
    ['an interpreter without an end', 64 + 56 + 32, '0300000000000000', 'malformed'],
  ])('with %s is flawed', async (_what, at, change, kind) => {
    const bytes = makeElf(full);
    bytes.set(hex(change), at);
    expect(await read(bytes)).toMatchObject({ kind: 'flawed', flaw: { kind } });
  });

  it('whose lists of versions lead in a circle or out of it is flawed, at once', async () => {
    const bytes = makeElf({ needed: ['liba.so'], requires: { 'liba.so': ['A'] }, provides: ['B'] });
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const tag = view.getBigUint64(at, true);
      // As many entries as the field can name.
      if (tag === 0x6fffffffn || tag === 0x6ffffffdn) view.setBigUint64(at + 8, 0xffff_ffffn, true);
    }
    expect(await read(bytes)).toMatchObject({ kind: 'elf' });
    const broken = bytes.map((byte, index) => (index > 240 && byte === 16 ? 255 : byte));
    expect(await read(broken)).toMatchObject({ kind: 'flawed' });
  });
});

describe('a program of another system', () => {
  it.each([
    ['feedfacf 01000007', ['x86_64']],
    ['cffaedfe 0c000001', ['arm64']],
    ['cefaedfe 07000000', ['i386']],
    ['cffaedfe 63000000', ['processor 99']],
    ['cffaedfe', ['cut off in its header']],
    [`cafebabe 00000002 ${'01000007'.padEnd(40, '0')} ${'0100000c'.padEnd(40, '0')}`, ['x86_64', 'arm64']],
    [`cafebabf 00000001 ${'0100000c'.padEnd(64, '0')}`, ['arm64']],
    ['cafebabe 00000002 01000007', ['cut off in its header']],
  ])('is Mach-O: %s', async (bytes, processors) => {
    expect(await read(hex(bytes))).toEqual({ kind: 'mach-o', processors });
  });

  it.each([
    [`4d5a${'00'.repeat(58)}40000000 50450000 6486`, ['x86-64']],
    [`4d5a${'00'.repeat(58)}40000000 50450000 64aa`, ['arm64']],
    [`4d5a${'00'.repeat(58)}ffffff7f 50450000 64aa`, []],
    ['4d5a9000', []],
  ])('is PE: %s', async (bytes, processors) => {
    expect(await read(hex(bytes))).toEqual({ kind: 'pe', processors });
  });
});

describe('any other file', () => {
  it.each([
    ['', { kind: 'empty' }],
    ['echo hello\n', { kind: 'text', hasMark: false }],
    ['\uFEFF#!/bin/sh\n', { kind: 'text', hasMark: true }],
    ['#!/bin/sh\necho', { kind: 'script', interpreter: '/bin/sh', argument: null, hasCarriageReturn: false }],
    ['#! /usr/bin/env  -S node --x \n', { interpreter: '/usr/bin/env', argument: '-S node --x' }],
    ['#!/bin/sh\r\necho\r\n', { interpreter: '/bin/sh', hasCarriageReturn: true }],
    ['#!', { kind: 'script', interpreter: '' }],
    ['\0asm\x01\0\0\0', { kind: 'unknown', format: 'WebAssembly' }],
    ['\xca', { kind: 'text' }],
    ['GGUF\x03\0', { kind: 'unknown', format: 'a GGUF model' }],
    ['\0\0\0\0', { kind: 'unknown', format: null, start: '00000000' }],
  ])('is told from its first bytes: %j', async (text, says) => {
    expect(await read(text)).toMatchObject(says);
  });

  it('that begins like a Java class is no Mach-O', async () => {
    expect(await read(hex('cafebabe 00000041'))).toMatchObject({ kind: 'unknown', format: 'a Java class' });
  });
});

describe('whatever a file holds', () => {
  const start = fc.constantFrom(
    '',
    '7f454c46020101',
    '7f454c46010201',
    'cafebabe',
    'cafebabf000000',
    'cffaedfe',
    '4d5a',
    '2321',
  );
  const garbage = fc
    .tuple(start, fc.uint8Array({ maxLength: 400 }))
    .map(([head, rest]) => new Uint8Array([...hex(head), ...rest]));
  /** A sound file with some bytes changed: it leads further in than garbage does. */
  const changed = fc
    .tuple(
      fc.constantFrom(64, 32),
      fc.constantFrom('little', 'big'),
      fc.array(fc.tuple(fc.nat(900), fc.nat(255)), { maxLength: 6 }),
      fc.nat(900),
    )
    .map(([bits, order, changes, cut]) => {
      const bytes = makeElf({ ...full, bits: bits, order: order });
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes.slice(0, Math.max(5, bytes.length - (cut > 600 ? 0 : cut)));
    });

  it('it is read without a throw, within the file, and in few pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(garbage, changed), async (bytes) => {
        let reads = 0;
        const source: ByteSource = {
          size: bytes.length,
          async read(offset, length) {
            reads++;
            if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > bytes.length)
              throw new Error(`read ${length} bytes at ${offset} of ${bytes.length}`);
            return bytes.subarray(offset, offset + length);
          },
        };
        expect((await readBinary(source)).kind).toBeTypeOf('string');
        expect(reads).toBeLessThan(50_000);
      }),
      { numRuns: 2000 },
    );
  });
});
