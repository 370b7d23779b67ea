/** Platforms as Docker writes them, and what a program for each looks like. Pure. */

export type ByteOrder = 'little' | 'big';

/** What the head of an ELF file says about whom it is for. */
export interface ElfTarget {
  readonly bits: 32 | 64;
  readonly order: ByteOrder;
  readonly machine: number;
}

export interface Platform extends ElfTarget {
  /** `linux/arm64` */
  readonly name: string;
  /** As in the image's own record. */
  readonly architecture: string;
  /** `v7`; absent where the architecture has only one kind. */
  readonly variant?: string;
  /** Debian's word for it, in names of folders. */
  readonly triplets: readonly string[];
  /** What `$PLATFORM` stands for in a library path. */
  readonly word: string;
}

const little = { order: 'little' } as const;
const arm = { bits: 32, ...little, machine: 40, architecture: 'arm' } as const;
const hard = ['arm-linux-gnueabihf', 'arm-linux-gnueabi'] as const;

/** Those that Docker's official images exist for. */
const platforms: readonly Platform[] = [
  {
    ...{ name: 'linux/amd64', architecture: 'amd64', word: 'x86_64' },
    bits: 64,
    ...little,
    machine: 62,
    triplets: ['x86_64-linux-gnu'],
  },
  {
    ...{ name: 'linux/arm64', architecture: 'arm64', word: 'aarch64' },
    bits: 64,
    ...little,
    machine: 183,
    triplets: ['aarch64-linux-gnu'],
  },
  { ...arm, name: 'linux/arm/v7', variant: 'v7', word: 'v7l', triplets: hard },
  { ...arm, name: 'linux/arm/v6', variant: 'v6', word: 'v6l', triplets: hard },
  { ...arm, name: 'linux/arm/v5', variant: 'v5', word: 'v5tel', triplets: ['arm-linux-gnueabi'] },
  {
    ...{ name: 'linux/386', architecture: '386', word: 'i686' },
    bits: 32,
    ...little,
    machine: 3,
    triplets: ['i386-linux-gnu'],
  },
  {
    ...{ name: 'linux/riscv64', architecture: 'riscv64', word: 'riscv64' },
    bits: 64,
    ...little,
    machine: 243,
    triplets: ['riscv64-linux-gnu'],
  },
  {
    ...{ name: 'linux/ppc64le', architecture: 'ppc64le', word: 'power8' },
    bits: 64,
    ...little,
    machine: 21,
    triplets: ['powerpc64le-linux-gnu'],
  },
  {
    ...{ name: 'linux/s390x', architecture: 's390x', word: 's390x' },
    bits: 64,
    order: 'big',
    machine: 22,
    triplets: ['s390x-linux-gnu'],
  },
];

/** Other ways to write them, as uname, Node and people do. */
const aliases: Readonly<Record<string, string>> = {
  ...{
    x86_64: 'amd64',
    x64: 'amd64',
    aarch64: 'arm64',
    'arm64/v8': 'arm64',
    arm: 'arm/v7',
    armhf: 'arm/v7',
    armv7: 'arm/v7',
  },
  ...{ armv7l: 'arm/v7', armv6: 'arm/v6', armv6l: 'arm/v6', armel: 'arm/v5', i386: '386', i686: '386', ia32: '386' },
};

export const PLATFORM_NAMES: readonly string[] = platforms.map(({ name }) => name);

/** `linux/arm64`, `arm64` and `aarch64` are one; undefined for what is not known here. */
export function parsePlatform(text: string): Platform | undefined {
  const word = text
    .trim()
    .toLowerCase()
    .replace(/^linux\//, '');
  const name = `linux/${Object.hasOwn(aliases, word) ? (aliases[word] ?? word) : word}`;
  return platforms.find((platform) => platform.name === name);
}

/** What an image says that it is. */
export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  /** Empty where it does not say. */
  readonly variant: string;
}

/** `linux/arm/v7` */
export function nameOfImage({ os, architecture, variant }: ImagePlatform): string {
  return [os, architecture, variant].filter((part) => part !== '').join('/');
}

/** Whether programs for the platform are what the image holds. Older variants of ARM run on newer ones. */
export function imageFits(image: ImagePlatform, platform: Platform): boolean {
  if (image.os !== 'linux' || image.architecture !== platform.architecture) return false;
  if (platform.variant === undefined || image.variant === '') return true;
  return image.variant <= platform.variant;
}

/** Names of e_machine for sentences; of others the number is shown. */
const machines: Readonly<Record<number, string>> = {
  ...{
    2: 'SPARC',
    3: 'Intel 386',
    4: 'Motorola 68000',
    8: 'MIPS',
    20: 'PowerPC',
    21: 'PowerPC 64',
    22: 'IBM S/390',
    40: 'ARM',
  },
  ...{
    42: 'SuperH',
    43: 'SPARC 64',
    50: 'IA-64',
    62: 'x86-64',
    183: 'ARM 64 (AArch64)',
    243: 'RISC-V',
    247: 'BPF',
    258: 'LoongArch',
  },
};

/** `64-bit ELF for x86-64 (linux/amd64)`, or as much of it as has a name. */
export function describeTarget(target: ElfTarget): string {
  const { bits, order, machine } = target;
  const known = platforms.find((platform) => sameTarget(platform, target));
  const kind = machines[machine] ?? `machine number ${machine}`;
  const family = known?.architecture === 'arm' ? 'linux/arm' : known?.name;
  return `${bits}-bit ${order === 'big' ? 'big-endian ' : ''}ELF for ${kind}${family === undefined ? '' : ` (${family})`}`;
}

export function sameTarget(a: ElfTarget, b: ElfTarget): boolean {
  return a.bits === b.bits && a.order === b.order && a.machine === b.machine;
}
