import { describe, expect, it } from 'vitest';
import { AMD64, ARM64, readEntry, registrationOf, type Machine } from '../../src/core/binfmt.ts';

describe('the line for the kernel', () => {
  const machines = { 183: ARM64, 62: AMD64 };

  it.each(Object.entries(machines))('takes programs of machine %s and no others', (number, machine) => {
    const [, , , , magic = '', mask = ''] = registrationOf('a', machine, '/usr/bin/qemu').split(':');
    const takes = (header: Buffer): boolean =>
      bytesOf(magic).every(
        (byte, at) => (byte & (bytesOf(mask)[at] ?? 0)) === ((header[at] ?? 0) & (bytesOf(mask)[at] ?? 0)),
      );
    for (const type of [2, 3]) expect(takes(elf({ type, machine: Number(number) }))).toBe(true);
    expect(takes(elf({ type: 2, machine: number === '62' ? 183 : 62 }))).toBe(false);
    expect(takes(elf({ type: 1, machine: Number(number) }))).toBe(false);
    expect(takes(Buffer.from('#!/bin/sh\necho hello, this is a script\n'))).toBe(false);
  });

  it('has the interpreter opened once, for all containers, and told argv[0] only where it expects that', () => {
    expect(registrationOf('a', ARM64, '/usr/bin/qemu-aarch64-static')).toMatch(
      /^:a:M::.*:\/usr\/bin\/qemu-aarch64-static:FO$/,
    );
    expect(registrationOf('a', ARM64, '/usr/libexec/qemu-binfmt/aarch64-binfmt-P')).toMatch(/-binfmt-P:FPO$/);
  });
});

describe('an entry of the kernel', () => {
  it.each([AMD64, ARM64])('for $platform is found by its magic, whatever its name', (machine) => {
    expect(readEntry('rosetta', textOf(machine), machine)).toEqual({
      ...{ name: 'rosetta', isEnabled: true, interpreter: '/usr/bin/emulator', flags: 'POF' },
    });
    expect(readEntry('qemu-x', textOf(machine).replace('enabled', 'disabled'), machine)?.isEnabled).toBe(false);
  });

  it('for the other machine, another format or an extension is not taken for it', () => {
    expect(readEntry('qemu-aarch64', textOf(AMD64), ARM64)).toBeUndefined();
    expect(readEntry('a', textOf(ARM64).replace(/magic .*/, 'magic 4d5a'), ARM64)).toBeUndefined();
    // Of which each bit may be anything, but for the first four bytes: all of ELF, and so no emulator of one machine.
    expect(readEntry('b', textOf(ARM64).replace(/magic .*\nmask .*/, 'magic 7f454c46'), ARM64)).toBeUndefined();
    expect(readEntry('c', 'enabled\ninterpreter /x\nflags: \nextension .exe\n', ARM64)).toBeUndefined();
    expect(readEntry('status', 'enabled\n', ARM64)).toBeUndefined();
  });

  it('with QEMU’s own mask counts, too', () => {
    const text = textOf(ARM64).replace(/mask .*/, 'mask ffffffffffffff00fffffffffffffffffeffffff');
    expect(readEntry('qemu-aarch64', text, ARM64)?.name).toBe('qemu-aarch64');
  });
});

/** As the kernel shows one that was registered with the line of the machine. */
function textOf({ magic, mask }: Machine): string {
  const hex = (text: string): string => Buffer.from(bytesOf(text)).toString('hex');
  return `enabled\ninterpreter /usr/bin/emulator\nflags: POF\noffset 0\nmagic ${hex(magic)}\nmask ${hex(mask)}\n`;
}

function bytesOf(escaped: string): readonly number[] {
  return [...escaped.matchAll(/\\x([0-9a-f]{2})|([^\\])/g)].map(([, hex, plain = '']) =>
    hex === undefined ? plain.charCodeAt(0) : Number.parseInt(hex, 16),
  );
}

/** The first twenty bytes of a program: 64 bit, little endian. */
function elf({ type, machine }: { readonly type: number; readonly machine: number }): Buffer {
  const header = Buffer.alloc(20);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(type, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}
