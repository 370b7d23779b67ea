// What the platform that this machine is not is called here, and the name of its base image.
import { AMD64, ARM64, type Machine } from '../../src/core/binfmt.ts';

export type OtherPlatform = Machine & {
  /**
   * The base image's name: `debian:bookworm-slim` is this machine's own. Docker Hub has every official image under such a
   * name for each architecture, so it is pulled where a registry answers and means the same thing where none does.
   */
  readonly baseImage: string;
};

const RELEASE_IMAGE = 'debian:bookworm-slim';

/** The platform that an engine of `architecture` (Node's or the engine's word) has to emulate. */
export function otherPlatformOf(architecture: string): OtherPlatform {
  return ['arm64', 'aarch64'].includes(architecture)
    ? { ...AMD64, baseImage: `amd64/${RELEASE_IMAGE}` }
    : { ...ARM64, baseImage: `arm64v8/${RELEASE_IMAGE}` };
}
