// The two platforms that Hearth's images are built for, and what the one is called here that this machine is not.

export type OtherPlatform = {
  /** As for `docker --platform`. */
  readonly platform: string;
  /** Debian's and the engine's word for the architecture. */
  readonly architecture: string;
  /** What `uname -m` says there, and what QEMU calls it. */
  readonly machine: string;
  /**
   * The base image's name: `debian:bookworm-slim` is this machine's own. Docker Hub has every official image under such a
   * name for each architecture, so it is pulled where a registry answers and means the same thing where none does.
   */
  readonly baseImage: string;
  /** How the kernel recognizes its programs: the first bytes of an ELF file, and which of their bits count. */
  readonly magic: string;
  readonly mask: string;
};

const RELEASE_IMAGE = 'debian:bookworm-slim';
/** 64 bit, little endian, version 1, any ABI; then the two bytes of the file's type and the machine's number. */
const MAGIC = '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00';
/** The type may be "program" or "shared object" (position independent); the ABI is not compared. */
const MASK_END = '\\xfe\\xff\\xff\\xff';

const ARM64: OtherPlatform = {
  platform: 'linux/arm64',
  architecture: 'arm64',
  machine: 'aarch64',
  baseImage: `arm64v8/${RELEASE_IMAGE}`,
  magic: `${MAGIC}\\xb7\\x00`,
  mask: `${'\\xff'.repeat(7)}\\x00${'\\xff'.repeat(8)}${MASK_END}`,
};

const AMD64: OtherPlatform = {
  platform: 'linux/amd64',
  architecture: 'amd64',
  machine: 'x86_64',
  baseImage: `amd64/${RELEASE_IMAGE}`,
  magic: `${MAGIC}\\x3e\\x00`,
  // As QEMU's own table has it: some linkers leave marks in the padding.
  mask: `${'\\xff'.repeat(5)}\\xfe\\xfe\\x00${'\\xff'.repeat(8)}${MASK_END}`,
};

/** The platform that an engine of `architecture` (Node's or the engine's word) has to emulate. */
export function otherPlatformOf(architecture: string): OtherPlatform {
  return ['arm64', 'aarch64'].includes(architecture) ? AMD64 : ARM64;
}

/** The line that makes the kernel run programs of `platform` by `interpreter`, for binfmt_misc's `register`. */
export function registrationOf(name: string, { magic, mask }: OtherPlatform, interpreter: string): string {
  // F: the interpreter is opened now, so it works inside containers that do not have it. O: programs are handed over
  // opened. P: they learn their argv[0]; only an interpreter of that name expects it.
  const flags = interpreter.endsWith('-binfmt-P') ? 'FPO' : 'FO';
  return `:${name}:M::${magic}:${mask}:${interpreter}:${flags}`;
}
