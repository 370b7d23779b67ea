/** How findings about files are worded. Pure. */
import type { Binary } from './binary.ts';
import { describeTarget, sameTarget, type ElfTarget, type Platform } from './platform.ts';

/** What files are held against. */
export interface Demand {
  readonly platform: Platform;
  /** `the image is linux/amd64` */
  readonly because: string;
}

const LONGEST = 300;

/** A path as it is when that is harmless, else in quotes and escaped. */
export function pathText(path: string): string {
  const text = path.length > LONGEST ? `${path.slice(0, LONGEST)}…` : path;
  if (/^[\w./+@:=,~%…-]+$/.test(text)) return text;
  // What turns a line of a terminal around or hides in it is no part of an honest name.
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Why ELF for somebody else does not fit, or undefined where it does. Begins with a verb. */
export function misfit(target: ElfTarget, { platform, because }: Demand): string | undefined {
  if (sameTarget(target, platform)) return undefined;
  const what = describeTarget(target);
  const cure = `Build it for ${platform.name}`;
  if (target.bits !== platform.bits)
    return `has the wrong word size: it is ${what}, ${because}, which takes ${platform.bits}-bit programs. ${cure}`;
  if (target.order !== platform.order)
    return `has the wrong byte order: it is ${what}, ${because}, which is ${platform.order}-endian. ${cure}`;
  return `is ${what}, ${because}. ${cure}`;
}

/** What a file is that is neither ELF nor a script; begins with a verb. */
export function strange(binary: Exclude<Binary, { kind: 'elf' | 'script' }>, { platform, because }: Demand): string {
  const build = `Build it for ${platform.name}`;
  switch (binary.kind) {
    case 'flawed':
      return binary.flaw.kind === 'truncated'
        ? `is a truncated ELF file: ${binary.flaw.what}. Copy or build it again`
        : `is a broken ELF file: ${binary.flaw.what}. Build it again`;
    case 'mach-o':
      return `is Mach-O ${binary.processors.join(' + ')}, a macOS program; ${because}. ${build}`;
    case 'pe':
      return `is ${binary.processors.length === 0 ? 'MS-DOS' : `PE ${binary.processors.join(' + ')}`}, a Windows program; ${because}. ${build}`;
    case 'empty':
      return 'is an empty file. Copy or build it again';
    case 'text':
      return binary.hasMark
        ? 'begins with a byte order mark, which hides its first line from Linux. Save it as UTF-8 without one'
        : 'is text without #! in its first line, so Linux does not know what runs it. Begin it with its interpreter, such as #!/bin/sh';
    case 'unknown':
      return binary.format === null
        ? `is nothing that Linux can run (it begins with the bytes ${binary.start}). Build it for ${platform.name}`
        : `is ${binary.format}, which Linux cannot run by itself. Name a program`;
  }
}
