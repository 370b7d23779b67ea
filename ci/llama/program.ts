// Whether a program can run here, found out from its first bytes: "Exec format error" says neither which file nor why.
import { accessSync, closeSync, constants, existsSync, openSync, readSync } from 'node:fs';

/** Node's name of this machine → the number in an ELF header. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const NAMES: Readonly<Record<number, string>> = {
  3: 'x86 (32 bit)',
  40: 'arm (32 bit)',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
};
const MACH_O = new Set(['cffaedfe', 'cefaedfe', 'feedfacf', 'feedface', 'cafebabe']);
/** The header and, in every linker's output, all program headers. */
const LOOK_AT = 4096;
const INTERPRETER = 3;

/** Undefined when the kernel of a machine `arch` (as process.arch) can start `file`, else why it cannot, with what to do. */
export function programProblem(file: string, arch: string = process.arch): string | undefined {
  if (!existsSync(file)) return `${file} does not exist`;
  try {
    accessSync(file, constants.X_OK);
  } catch {
    return `${file} is not executable; chmod +x it, and look at the options that its file system is mounted with`;
  }
  const problem = headerProblem(firstBytesOf(file), arch, existsSync);
  return problem === undefined ? undefined : `${file} ${problem}`;
}

/** The same from the first bytes of a program alone. `exists` is asked for the interpreter that they name. */
export function headerProblem(bytes: Uint8Array, arch: string, exists: (path: string) => boolean): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.toString('latin1', 0, 2) === '#!') return scriptProblem(view, exists);
  if (MACH_O.has(view.toString('hex', 0, 4))) return `is a program for macOS; build it for Linux on ${arch}`;
  if (view.toString('latin1', 0, 2) === 'MZ') return `is a program for Windows; build it for Linux on ${arch}`;
  if (view.toString('latin1', 0, 4) !== '\x7fELF') return 'is neither a Linux program nor a script';
  if (view.length < 64 || view[4] !== 2 || view[5] !== 1) return 'is no whole 64-bit little-endian program';
  const machine = view.readUInt16LE(18);
  if (machine !== MACHINES[arch]) {
    return `is built for ${NAMES[machine] ?? `machine ${machine}`}, and this is ${arch}; build it for this platform`;
  }
  const interpreter = interpreterOf(view);
  if (interpreter === undefined || exists(interpreter)) return undefined;
  return `wants the loader ${interpreter}, which is not here: it was built for another C library (glibc, musl)`;
}

function scriptProblem(view: Buffer, exists: (path: string) => boolean): string | undefined {
  const interpreter = /^#!\s*(\S+)/.exec(view.toString('utf8'))?.[1];
  if (interpreter === undefined) return 'is a script that names no interpreter after #!';
  return exists(interpreter) ? undefined : `is a script for ${interpreter}, which is not here`;
}

/** Undefined for a static program. */
function interpreterOf(view: Buffer): string | undefined {
  const [at, size, count] = [Number(view.readBigUInt64LE(32)), view.readUInt16LE(54), view.readUInt16LE(56)];
  for (let index = 0; index < count; index += 1) {
    const header = at + index * size;
    if (header + 56 > view.length) return undefined;
    if (view.readUInt32LE(header) !== INTERPRETER) continue;
    const [from, length] = [Number(view.readBigUInt64LE(header + 8)), Number(view.readBigUInt64LE(header + 32))];
    return view.toString('utf8', from, from + length - 1);
  }
  return undefined;
}

function firstBytesOf(file: string): Uint8Array {
  const bytes = Buffer.alloc(LOOK_AT);
  const handle = openSync(file, 'r');
  try {
    return bytes.subarray(0, readSync(handle, bytes, 0, LOOK_AT, 0));
  } finally {
    closeSync(handle);
  }
}
