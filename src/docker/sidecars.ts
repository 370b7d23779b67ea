/** From the `sidecar` of a pipeline to the image that slots are started from: pulled or built once, then remembered. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isForAll, ownImages } from '../core/image/image-names.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { Git } from '../core/ports.ts';
import type { SidecarSource } from '../core/pipeline/pipeline.ts';
import type { RepoRef, TrustClass } from '../core/run.ts';
import type { CommandResult, Engine, ImageInfo } from './engine.ts';
import type { HeldLayer } from './layers.ts';

export interface Sidecars {
  /**
   * Resolves the image, pulling or building it when it is not here; concurrent callers share one build. The problem holds
   * the last lines of what pull or build said.
   */
  resolve(request: SidecarRequest): Promise<Result<ImageInfo, string>>;
  /** The same for an image that has a name. Of images that jobs built only those of the run's own repository and class. */
  named(image: string, run: OwnerOfImages, say: (text: string) => void): Promise<Result<ImageInfo, string>>;
  /** Forgets an image that turned out to be gone. */
  forget(imageId: string): void;
}

type OwnerOfImages = Parameters<typeof ownImages>[0];

export interface SidecarRequest {
  readonly sidecar: SidecarSource;
  readonly repo: RepoRef;
  readonly sha: string;
  readonly trust: TrustClass;
  /** Folder with the sha's files, asked for when something has to be built, and released after it. */
  readonly files: () => Promise<HeldLayer>;
  readonly say: (text: string) => void;
  /**
   * Asked in advance: `make` pulls and builds like a job, but a job that joined it and sees it fail tries for itself;
   * `find` does neither.
   */
  readonly hint?: 'make' | 'find';
}

/** A pull or build that several wait for; each is told what it says from then on. */
interface UnderWay {
  readonly work: Promise<Result<ImageInfo, string>>;
  readonly isHint: boolean;
  readonly listeners: Set<(text: string) => void>;
}

type Make = (say: (text: string) => void) => Promise<CommandResult>;

/** A moving tag is looked at again after this time. */
const REMEMBER_MS = 10 * 60_000;

export function openSidecars(engine: Engine, git: Git, monotonicMs: () => number): Sidecars {
  const known = new Map<string, { readonly image: ImageInfo; readonly until: number }>();
  const underWay = new Map<string, UnderWay>();

  async function find(reference: string, make: () => Promise<CommandResult>): Promise<Result<ImageInfo, string>> {
    const here = await engine.image(reference);
    if (here !== undefined) return success(here);
    const made = await make();
    const image = made.ok ? await engine.image(reference) : undefined;
    if (image !== undefined) return success(image);
    return failed(made.ok ? `the engine has no image ${reference} after making it` : made.lastLines);
  }

  async function once(
    reference: string,
    { say, hint }: Pick<SidecarRequest, 'say' | 'hint'>,
    make: Make,
  ): Promise<Result<ImageInfo, string>> {
    const remembered = known.get(reference);
    if (remembered !== undefined && remembered.until > monotonicMs()) return success(remembered.image);
    if (hint === 'find') {
      const here = await engine.image(reference);
      return here === undefined ? failed(`there is no image ${reference} here yet`) : success(here);
    }
    const running = underWay.get(reference);
    if (running !== undefined) {
      running.listeners.add(say);
      const found = await running.work;
      return found.ok || !running.isHint || hint !== undefined ? found : once(reference, { say }, make);
    }
    const listeners = new Set([say]);
    const sayToAll = (text: string): void => {
      for (const listener of listeners) listener(text);
    };
    const work = find(reference, () => make(sayToAll))
      .then((found) => {
        if (found.ok) known.set(reference, { image: found.value, until: monotonicMs() + REMEMBER_MS });
        return found;
      })
      .finally(() => underWay.delete(reference));
    underWay.set(reference, { work, listeners, isHint: hint !== undefined });
    return work;
  }

  async function named(
    image: string,
    owner: OwnerOfImages,
    say: (text: string) => void,
    hint?: SidecarRequest['hint'],
  ): Promise<Result<ImageInfo, string>> {
    if (image.startsWith(ownImages(owner))) {
      const here = await engine.image(image);
      return here === undefined
        ? failed(`${image} is not on this machine; run the job that builds it again`)
        : success(here);
    }
    if (!isForAll(image))
      return failed(`${image} is the id of an image or one that Hearth built; name an image as a registry does`);
    return once(image, hint === undefined ? { say } : { say, hint }, (sayToAll) => {
      sayToAll(`pulling image ${image}\n`);
      return engine.pull(image, sayToAll);
    });
  }

  function build(
    checkout: string,
    sidecar: SidecarSource & { readonly kind: 'build' },
    names: { readonly tag: string; readonly cacheNamespace: string },
    say: (text: string) => void,
  ): Promise<CommandResult> {
    say(`building the sidecar from ${sidecar.file}\n`);
    const [context, file] = [join(checkout, sidecar.context), join(checkout, sidecar.file)];
    return engine.build({ ...names, context, file }, say);
  }

  return {
    named: (image, owner, say) => named(image, owner, say),
    async resolve({ sidecar, repo, sha, trust, files, say, hint }) {
      if (sidecar.kind === 'image') return named(sidecar.image, { repo, trust }, say, hint);
      const [context, file, ignored] = await Promise.all(
        [sidecar.context, sidecar.file, `${sidecar.file}.dockerignore`].map((path) => git.objectId(repo, sha, path)),
      );
      if (context === undefined)
        return failed(`there is no folder ${sidecar.context} in this commit (sidecar.build.context)`);
      if (file === undefined) return failed(`there is no file ${sidecar.file} in this commit (sidecar.build.file)`);
      const [link] = await git.links(repo, sha, placesOf(sidecar));
      if (link !== undefined)
        return failed(`${link} is a symbolic link; a sidecar is built from real files of the commit only`);
      const inputs = JSON.stringify([repo.id, trust, context, file, sidecar.file, ignored ?? null]);
      const tag = `hearth/sidecar:${createHash('sha256').update(inputs).digest('hex').slice(0, 24)}`;
      return once(tag, hint === undefined ? { say } : { say, hint }, async (sayToAll) => {
        const checkout = await files();
        try {
          return await build(checkout.path, sidecar, { tag, cacheNamespace: `hearth-${repo.id}-${trust}` }, sayToAll);
        } finally {
          checkout.release();
        }
      });
    },
    forget(imageId) {
      for (const [reference, { image }] of known) if (image.id === imageId) known.delete(reference);
    },
  };
}

/** The build runs on the host and would follow a link in their place, also to where no job may look. */
function placesOf({ context, file }: SidecarSource & { readonly kind: 'build' }): readonly string[] {
  return [context, file, join(context, '.dockerignore'), `${file}.dockerignore`].filter((path) => path !== '.');
}
