/** Verifies an image: its platform, the files of its programs, and a command that is run in it. */
import { randomBytes } from 'node:crypto';
import { nameOfImage, parsePlatform, PLATFORM_NAMES, type Platform } from '../core/verify/platform.ts';
import { verifyFiles, type ImageConfiguration, type VerifyReport, type VerifySpec } from '../core/verify/verify.ts';
import type { Engine } from './engine.ts';
import { openImageFiles } from './image-files.ts';
import { runInImage } from './run-in-image.ts';

export interface VerifyRequest {
  /** Id or reference; it is never pulled. */
  readonly image: string;
  /** What it is to be; null = what it says itself. */
  readonly platform: string | null;
  readonly spec: VerifySpec;
  /** For all of it: reading files and running the command. */
  readonly timeoutMs: number;
  /** Aborting ends it at once; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told what is being done, a sentence at a time. */
  readonly say: (text: string) => void;
}

/** Until when a container of a verification may be there, in seconds since 1970. */
const LABEL = 'hearth.verify';
/** Clocks of two machines with one engine differ, and a removal takes its time. */
const SLACK_MS = 10 * 60_000;

/**
 * Resolves with all that is wrong; good exactly when `problems` is empty. Changes nothing and leaves no container; may be
 * repeated. Rejects when the engine fails or the signal aborts.
 */
export async function verifyImage(engine: Engine, request: VerifyRequest): Promise<VerifyReport> {
  request.signal?.throwIfAborted();
  await sweepVerifications(engine);
  const found = await engine.image(request.image);
  if (found === undefined)
    return unfit(request.platform ?? '', `There is no image ${request.image} on this machine. Build or pull it first.`);
  const image = await recordOf(engine, found.id);
  const wanted = request.platform ?? nameOfImage(image);
  const platform = parsePlatform(wanted);
  if (platform === undefined)
    return unfit(wanted, `Programs for ${wanted} cannot be verified. Known platforms: ${PLATFORM_NAMES.join(', ')}.`);
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const signal = AbortSignal.any([deadline, ...(request.signal === undefined ? [] : [request.signal])]);
  try {
    const report = await verify(engine, { ...request, image, id: found.id, platform, signal });
    request.signal?.throwIfAborted();
    return report;
  } catch (error) {
    request.signal?.throwIfAborted();
    if (!deadline.aborted) throw error;
    return unfit(
      platform.name,
      `Verifying the image did not end within ${secondsOf(request.timeoutMs)} s, so it is not known to be good. Give it more time.`,
    );
  }
}

/** Removes containers of verifications whose time was over long ago: their process died. May be repeated by anybody. */
export async function sweepVerifications(engine: Engine): Promise<void> {
  const listed = await engine.command([
    'ps',
    '--all',
    '--no-trunc',
    '--filter',
    `label=${LABEL}`,
    '--format',
    `{{.ID}} {{.Label "${LABEL}"}}`,
  ]);
  const over = listed.split('\n').flatMap((line) => {
    const [id = '', until = ''] = line.split(' ');
    return /^\d{1,12}$/.test(until) && Number(until) * 1000 + SLACK_MS < Date.now() ? [id] : [];
  });
  await engine.remove(over);
}

export interface VerificationPlace {
  readonly name: string;
  readonly label: string;
}

/** For a container that is over after `timeoutMs`, so that a sweep finds it when its process died. */
export function placeOfVerification(timeoutMs: number): VerificationPlace {
  return {
    name: `hearth-verify-${randomBytes(6).toString('hex')}`,
    label: `${LABEL}=${Math.ceil((Date.now() + timeoutMs) / 1000)}`,
  };
}

interface Work extends Omit<VerifyRequest, 'image' | 'platform'> {
  readonly image: ImageConfiguration;
  readonly id: string;
  readonly platform: Platform;
  readonly signal: AbortSignal;
}

async function verify(engine: Engine, work: Work): Promise<VerifyReport> {
  const { image, id, platform, spec, signal, say, timeoutMs } = work;
  const place = (): VerificationPlace => placeOfVerification(timeoutMs);
  say(`verifying ${id.replace('sha256:', '').slice(0, 12)} for ${platform.name}`);
  const findings = await readFiles(engine, { ...work, ...place() });
  const report = { platform: platform.name, ...findings };
  if (spec.run === null) return report;
  if (report.problems.length > 0)
    return { ...report, unchecked: [...report.unchecked, 'The command was NOT run, because of the problems.'] };
  say(`running ${spec.run.join(' ')}`);
  const ran = await runInImage(engine, {
    ...place(),
    id,
    platform: nameOfImage(image),
    words: spec.run,
    signal,
  });
  return ran.ok ? { ...report, facts: [...report.facts, ran.value] } : { ...report, problems: [ran.problem] };
}

async function readFiles(
  engine: Engine,
  { id, image, platform, spec, signal, name, label }: Work & { readonly name: string; readonly label: string },
): Promise<Omit<VerifyReport, 'platform'>> {
  await using files = await openImageFiles(engine, { image: id, name, label, signal });
  return await verifyFiles(image, files, { platform, spec });
}

interface Inspected {
  readonly Os?: string;
  readonly Architecture?: string;
  readonly Variant?: string;
  readonly Config?: {
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly User?: string;
    readonly WorkingDir?: string;
  } | null;
}

async function recordOf(engine: Engine, id: string): Promise<ImageConfiguration> {
  const [inspected = {}] = JSON.parse(await engine.command(['image', 'inspect', '--', id])) as readonly Inspected[];
  const { Os = '', Architecture = '', Variant = '', Config } = inspected;
  return {
    ...{ os: Os, architecture: Architecture, variant: Variant },
    env: Object.fromEntries((Config?.Env ?? []).map(pairOf)),
    ...{ entrypoint: Config?.Entrypoint ?? [], command: Config?.Cmd ?? [] },
    ...{ user: Config?.User ?? '', workingFolder: Config?.WorkingDir ?? '' },
  };
}

function pairOf(line: string): readonly [name: string, value: string] {
  const at = line.indexOf('=');
  return at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}

function unfit(platform: string, problem: string): VerifyReport {
  return { platform, problems: [problem], facts: [], unchecked: [] };
}

function secondsOf(ms: number): string {
  return (ms / 1000).toFixed(ms < 10_000 ? 1 : 0);
}
