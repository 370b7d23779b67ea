/** One image of an image job: bases resolved, built for one platform, and looked at. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readProgress, type BuildProgress } from '../core/image/build-progress.ts';
import { planDockerfile, type Base } from '../core/image/dockerfile.ts';
import type { BaseRecord, BuiltImage } from '../core/image/image-spec.ts';
import type { ReadyImage } from '../core/image/ready-image.ts';
import { error, type Outcome } from '../core/outcome.ts';
import { failed, success, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';
import type { BaseImages, ResolvedBase } from './base-images.ts';
import type { BuildRequest, CommandResult, Engine } from './engine.ts';
import { writeDockerfile, type BuildContext } from './image-context.ts';
import { readFacts } from './image-facts.ts';

export interface ImageBuildParts {
  readonly engine: Engine;
  readonly bases: BaseImages;
}

export interface ImageBuildRequest {
  readonly image: ReadyImage;
  readonly platform: string;
  readonly nativePlatform: string;
  readonly context: BuildContext;
  /** For files of this build alone. */
  readonly folder: string;
  /** Images that jobs of this repository and class have built begin with it. */
  readonly ownPrefix: string;
  readonly build: Pick<BuildRequest, 'cacheNamespace' | 'secrets' | 'isOffline'>;
  readonly signal: AbortSignal;
  readonly monotonicMs: () => number;
  readonly say: (text: string) => void;
}

export interface Built extends Omit<BuiltImage, 'digest' | 'verified'> {
  readonly facts: Readonly<Record<string, string>>;
}

/** Why there is no image; an exit code where a command of the Dockerfile gave one. */
export interface BuildFailure {
  readonly outcome: Outcome;
  readonly exitCode: number | null;
}

/** Steps that the layer cache knows are not run again, so a build that was cut off goes on where it was. May be repeated. */
export async function buildImage(
  parts: ImageBuildParts,
  request: ImageBuildRequest,
): Promise<Result<Built, BuildFailure>> {
  const { image, platform, context, folder, say } = request;
  const began = request.monotonicMs();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const planned = await plan(parts, request, image.target);
  if (!planned.ok) return failed({ outcome: planned.problem, exitCode: null });
  const { text, bases, emulated } = planned.value;
  say(`${platform}: building ${image.file}${image.target === null ? '' : `, target ${shown(image.target)}`}\n`);
  for (const base of bases) say(`${platform}: FROM ${baseText(base)}\n`);
  if (emulated.length > 0)
    say(
      `hearth: ${platform} is emulated here for the RUN instructions of ${emulated.map(shown).join(', ')}; with FROM --platform=$BUILDPLATFORM and a cross compiler they would not be\n`,
    );
  const file = await writeDockerfile(folder, 'Dockerfile', text, context.ignored);
  const idFile = join(folder, 'id');
  const common = { ...request.build, platform, args: image.args, context: context.folder, signal: request.signal };
  const progress = readProgress();
  const done = await parts.engine.build(
    { ...common, file, idFile, target: image.target ?? undefined },
    seenBy(progress, say),
  );
  if (!done.ok) return failed(failureOf(done, progress, platform));
  const id = (await readFile(idFile, 'utf8')).trim();
  const found = await parts.engine.image(id);
  if (found === undefined)
    return failed({ outcome: error('image', `the engine has no image ${id} after building it`), exitCode: null });
  const reference = `${request.ownPrefix}${found.id.replace('sha256:', '').slice(0, 24)}`;
  await parts.engine.command(['tag', found.id, reference]);
  const facts = await factsOf(parts, request, common);
  if (!facts.ok) return facts;
  return success({
    ...{ platform, id: found.id, reference, sizeBytes: found.sizeBytes, layers: progress.layers },
    ...{ bases: bases.map(recordOf), emulated, facts: facts.value },
    buildMs: Math.round(request.monotonicMs() - began),
  });
}

interface Planned {
  readonly text: string;
  readonly bases: readonly ResolvedBase[];
  readonly emulated: readonly string[];
}

async function plan(
  { bases }: ImageBuildParts,
  { image, platform, nativePlatform, context, ownPrefix, build }: ImageBuildRequest,
  target: string | null,
): Promise<Result<Planned, Outcome>> {
  const { args } = image;
  const planned = planDockerfile({ text: context.dockerfile, target, args, platform, buildPlatform: nativePlatform });
  if (!planned.ok) return failed(error('config', `${image.file}: ${planned.problem.join('; ')}`));
  const [fetching] = build.isOffline === true ? planned.value.fetches : [];
  if (fetching !== undefined)
    return failed(
      error(
        'config',
        `${image.file}: line ${fetching}: ADD would fetch from a network, and the build of a fork has none; commit the file, or COPY it from a base`,
      ),
    );
  const resolved = await Promise.all(planned.value.bases.map((base) => bases.resolve(base, ownPrefix)));
  const problems = resolved.flatMap((one) => (one.ok ? [] : [one.problem]));
  if (problems.length > 0) return failed(error('image', `${image.file}: ${problems.join('; ')}`));
  const found = resolved.flatMap((one) => (one.ok ? [one.value] : []));
  const referenceOf = ({ name, platform: of }: Base): string =>
    found.find((one) => one.name === name && one.platform === of)?.reference ?? name;
  const { foreign, rewrite } = planned.value;
  return success({ text: rewrite(referenceOf), bases: found, emulated: foreign });
}

/** The instructions before it are in the cache by now, so this costs a copy of a file. */
async function factsOf(
  parts: ImageBuildParts,
  request: ImageBuildRequest,
  common: Omit<BuildRequest, 'file'>,
): Promise<Result<Readonly<Record<string, string>>, BuildFailure>> {
  const { image, folder, context, platform, say } = request;
  if (image.facts === null) return success({});
  const planned = await plan(parts, request, image.facts);
  if (!planned.ok) return failed({ outcome: planned.problem, exitCode: null });
  const file = await writeDockerfile(folder, 'Dockerfile.facts', planned.value.text, context.ignored);
  const output = join(folder, 'facts');
  const progress = readProgress();
  const done = await parts.engine.build({ ...common, file, target: image.facts, output }, seenBy(progress, say));
  if (!done.ok) return failed(failureOf(done, progress, platform));
  const facts = await readFacts(output);
  if (facts.ok) return facts;
  return failed({ outcome: { result: 'failure', reason: 'exit', message: facts.problem }, exitCode: 1 });
}

function seenBy(progress: BuildProgress, say: (text: string) => void): (text: string) => void {
  return (text) => {
    progress.see(text.trimEnd());
    say(text);
  };
}

function failureOf(
  done: CommandResult & { readonly ok: false },
  { failure }: BuildProgress,
  platform: string,
): BuildFailure {
  if (/no space left on device|disk quota exceeded/i.test(done.lastLines))
    return {
      outcome: error('disk', 'the disk became full while the image was built; free some space and run the job again'),
      exitCode: null,
    };
  const last = done.lastLines.trimEnd().split('\n').at(-1) ?? '';
  if (failure === null)
    return { outcome: error('image', `${platform}: the image could not be built: ${last}`), exitCode: null };
  const code = failure.exitCode ?? 1;
  const message = `${platform}: ${failure.step}: ${failure.exitCode === null ? last : `exit ${code}`}`;
  return { outcome: { result: 'failure', reason: 'exit', message, exitCode: code }, exitCode: code };
}

function recordOf({ name, platform, digest, imageId }: ResolvedBase): BaseRecord {
  return { name, platform, digest, imageId };
}

function baseText({ name, platform, digest, imageId }: BaseRecord): string {
  return `${name} (${platform}) is ${digest ?? `the image ${imageId ?? ''} of this machine`}`;
}
