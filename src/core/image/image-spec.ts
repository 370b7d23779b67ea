/** `image` of a job: an image that is built from the workspace, and what is told of it. */

/** Text that may hold `${{ }}` expressions. */
type Template = string;

export interface ImageSpec {
  /** Folder of the workspace that the build sees. */
  readonly context: Template;
  /** The Dockerfile; null = the one in the context. */
  readonly file: Template | null;
  /** Stage to build; null = the last one. */
  readonly target: Template | null;
  /** Build arguments. They can be read from the image, so no secret may be in them. */
  readonly args: Readonly<Record<string, Template>>;
  /** As Docker writes them; empty = the one of the engine. */
  readonly platforms: readonly string[];
  /** Stage whose file `/outputs` tells more outputs of the job; null = none. */
  readonly facts: Template | null;
  /** Where it goes, `registry/name:tag`; those that come out empty are left out. */
  readonly push: readonly Template[];
  readonly credentials: { readonly username: Template; readonly password: Template } | null;
}

/** What was built, as it stands on the run. */
export interface ImageRecord {
  /** Of the index where there are several platforms, else of the image's manifest: `sha256:…`. */
  readonly digest: string;
  /** Where it was pushed to: `registry/name:tag@sha256:…`. */
  readonly pushed: readonly string[];
  readonly images: readonly BuiltImage[];
}

export interface BuiltImage {
  readonly platform: string;
  /** The engine's id: `sha256:…`. */
  readonly id: string;
  /** The name under which jobs of this repository and trust class can start it on this machine. */
  readonly reference: string;
  readonly digest: string;
  /** Of its unpacked layers. */
  readonly sizeBytes: number;
  readonly buildMs: number;
  /** Instructions of the Dockerfile that were part of the build, and how many of them the layer cache answered. */
  readonly layers: { readonly total: number; readonly cached: number };
  readonly bases: readonly BaseRecord[];
  /** Stages whose RUN instructions went through an emulator here; empty = none. */
  readonly emulated: readonly string[];
  /** What `verify` saw, a sentence each. */
  readonly verified: readonly string[];
}

/** What stood in the place of a FROM. */
export interface BaseRecord {
  /** As the Dockerfile names it, its arguments filled in. */
  readonly name: string;
  readonly platform: string;
  /** Of the manifest or index in the registry; null = no registry was asked or reached. */
  readonly digest: string | null;
  /** Of the image on this machine; null = the registry's was taken. */
  readonly imageId: string | null;
}

/** Outputs that every image job has; those of single platforms and of `facts` come on top. */
export const imageOutputs = ['image', 'digest'] as const;

/** `linux/arm64` → `linux-arm64`, as it stands in names of outputs and tags. */
export function dashed(platform: string): string {
  return platform.replaceAll('/', '-');
}
