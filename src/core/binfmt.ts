/**
 * How the kernel is told which programs an emulator runs: binfmt_misc, for the two platforms that Hearth knows. Pure.
 * https://docs.kernel.org/admin-guide/binfmt-misc.html
 */

export interface Machine {
  /** As for `docker --platform`. */
  readonly platform: string;
  /** Debian's and the engine's word for the architecture. */
  readonly architecture: string;
  /** What `uname -m` says there, and what QEMU calls it. */
  readonly machine: string;
  /** How the kernel recognizes its programs: the first bytes of an ELF file, and which of their bits count. */
  readonly magic: string;
  readonly mask: string;
}

/** 64 bit, little endian, version 1, any ABI; then the two bytes of the file's type and the machine's number. */
const MAGIC = '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00';
/** The type may be "program" or "shared object" (position independent); the ABI is not compared. */
const MASK_END = '\\xfe\\xff\\xff\\xff';

export const ARM64: Machine = {
  platform: 'linux/arm64',
  architecture: 'arm64',
  machine: 'aarch64',
  magic: `${MAGIC}\\xb7\\x00`,
  mask: `${'\\xff'.repeat(7)}\\x00${'\\xff'.repeat(8)}${MASK_END}`,
};

export const AMD64: Machine = {
  platform: 'linux/amd64',
  architecture: 'amd64',
  machine: 'x86_64',
  magic: `${MAGIC}\\x3e\\x00`,
  // As QEMU's own table has it: some linkers leave marks in the padding.
  mask: `${'\\xff'.repeat(5)}\\xfe\\xfe\\x00${'\\xff'.repeat(8)}${MASK_END}`,
};

export const MACHINES: readonly Machine[] = [AMD64, ARM64];

/** What brings the emulators of both, on Debian, Ubuntu and their kin. */
export const EMULATOR_PACKAGE = 'qemu-user-static';

/** The line that makes the kernel run programs of that machine by `interpreter`, for binfmt_misc's `register`. */
export function registrationOf(name: string, { magic, mask }: Machine, interpreter: string): string {
  // F: the interpreter is opened now, so it works inside containers that do not have it. O: programs are handed over
  // opened. P: they learn their argv[0]; only an interpreter of that name expects it.
  const flags = interpreter.endsWith('-binfmt-P') ? 'FPO' : 'FO';
  return `:${name}:M::${magic}:${mask}:${interpreter}:${flags}`;
}

/** The name of Hearth's own entry. */
export function entryNameOf({ machine }: Machine): string {
  return `hearth-${machine}`;
}

/** Where Debian keeps the emulator, best first. The first name of it means "I am told argv[0]". */
export function emulatorFilesOf({ machine }: Machine): readonly string[] {
  return [`/usr/libexec/qemu-binfmt/${machine}-binfmt-P`, `/usr/bin/qemu-${machine}-static`];
}

/** What the kernel says of an entry. */
export interface Entry {
  readonly name: string;
  readonly isEnabled: boolean;
  readonly interpreter: string;
  readonly flags: string;
}

/** The entry in a file of binfmt_misc; undefined when programs of the machine are not for it. */
export function readEntry(name: string, text: string, machine: Machine): Entry | undefined {
  const lines = text.split('\n');
  const valueOf = (key: string): string =>
    lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1) ?? '';
  const head = bytesOf(hexOf(machine.magic));
  const [magic, mask] = [bytesOf(valueOf('magic')), bytesOf(valueOf('mask'))];
  const offset = Number(valueOf('offset'));
  const takes = magic.every((byte, at) => {
    const bits = mask[at] ?? 0xff;
    return (byte & bits) === ((head[offset + at] ?? 0) & bits);
  });
  // Short magic is that of formats of their own, and takes no program of one machine alone.
  if (magic.length < head.length || !takes) return undefined;
  return {
    name,
    isEnabled: lines[0] === 'enabled',
    interpreter: valueOf('interpreter'),
    flags:
      lines
        .find((line) => line.startsWith('flags:'))
        ?.slice('flags:'.length)
        .trim() ?? '',
  };
}

/** `\x7fELF` → `7f454c46` */
function hexOf(escaped: string): string {
  return [...escaped.matchAll(/\\x([0-9a-f]{2})|(.)/g)]
    .map(([, hex, plain = '']) => hex ?? plain.charCodeAt(0).toString(16).padStart(2, '0'))
    .join('');
}

function bytesOf(hex: string): readonly number[] {
  return [...hex.matchAll(/[0-9a-f]{2}/g)].map(([byte]) => Number.parseInt(byte, 16));
}
