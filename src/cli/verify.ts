/** `hearth verify IMAGE|FILE [-- COMMAND…]`: whether programs can run where they are to run, before anything is run. */
import { lstat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { parsePlatform, PLATFORM_NAMES, type Platform } from '../core/verify/platform.ts';
import { checkPrograms } from '../core/verify/program.ts';
import type { VerifyReport } from '../core/verify/verify.ts';
import { dockerEngine, type Engine } from '../docker/engine.ts';
import { verifyImage } from '../docker/verify-image.ts';
import { Complaint, exits, type ExitCode, type VerbContext } from './exit.ts';
import { localFiles, thisUser } from './local-files.ts';

export interface VerifyOptions {
  readonly platform?: string;
  /** Of an image; empty = what it starts. */
  readonly binary: readonly string[];
}

/** For reading an image's files and for its command together. */
const TIMEOUT_MS = 10 * 60_000;
const ENGINE_MS = 5_000;

type Subject = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'image'; readonly engine: Engine };

/** Exit 0 without problems, 1 with some, 3 when there is no such image or file. */
export async function verify(
  given: string,
  command: readonly string[],
  options: VerifyOptions,
  context: VerbContext,
): Promise<ExitCode> {
  const platform = options.platform === undefined ? undefined : platformOf(options.platform);
  const subject = await subjectOf(given, context);
  if (subject.kind === 'file' && options.binary.length > 0)
    throw new Complaint(exits.usage, `${given} is a file; --binary is for programs of an image. Leave it out.`);
  if (subject.kind === 'file' && command.length > 0)
    throw new Complaint(
      exits.usage,
      `${given} is a file; a command is only run in an image. Leave it out, or run it yourself.`,
    );
  const report =
    subject.kind === 'file'
      ? await verifyFile(subject.path, platform, context)
      : await verifyImage(subject.engine, {
          image: given,
          platform: platform?.name ?? null,
          spec: { binaries: options.binary, run: command.length === 0 ? null : command },
          timeoutMs: TIMEOUT_MS,
          signal: context.interrupted,
          say: (text) => {
            if (!context.json) context.complain(text);
          },
        });
  tell(given, report, context);
  return report.problems.length > 0 ? exits.bad : exits.good;
}

function platformOf(text: string): Platform {
  const platform = parsePlatform(text);
  if (platform !== undefined) return platform;
  throw new Complaint(exits.usage, `--platform ${text} is not known. Name one of ${PLATFORM_NAMES.join(', ')}.`);
}

/** What is meant: a path that names a file, else an image. What could be both is asked about. */
async function subjectOf(given: string, { cwd, environment }: VerbContext): Promise<Subject> {
  const path = resolve(cwd, given);
  const there = await kindOf(path);
  const isPath = /^\.{0,2}\//.test(given);
  if (isPath && there !== undefined) return { kind: 'file', path };
  if (isPath) throw new Complaint(exits.nothing, `${given}: There is no such file.`);
  // A folder may well be called like an image.
  const isThere = there === 'file';
  const engine = dockerEngine({ host: environment['DOCKER_HOST'] });
  const silence = await engine.version(ENGINE_MS).then(
    () => undefined,
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)),
  );
  const isImage = silence === undefined && (await isImageName(engine, given));
  const looksLikePath = /[./]/.test(given);
  if (isImage && isThere && looksLikePath)
    throw new Complaint(
      exits.usage,
      `${given} is an image and a file. Write ./${given} for the file, or the image with its tag or id.`,
    );
  if (isImage) return { kind: 'image', engine };
  if (isThere && looksLikePath) return { kind: 'file', path };
  if (silence !== undefined)
    throw new Complaint(
      exits.nothing,
      `${given} is no file, and the Docker engine does not answer (${silence}). Start it, and let this user reach its socket.`,
    );
  if (isThere)
    throw new Complaint(exits.usage, `There is no image ${given}, but there is a file. Write ./${given} for the file.`);
  throw new Complaint(
    exits.nothing,
    `There is no image and no file ${given} on this machine. Build or pull the image first, or correct the path.`,
  );
}

/** The engine refuses to look for what no image can be called. */
async function isImageName(engine: Engine, given: string): Promise<boolean> {
  try {
    return (await engine.image(given)) !== undefined;
  } catch (error) {
    if (error instanceof Error && /invalid reference format|repository name must be/.test(error.message)) return false;
    throw error;
  }
}

/** A link that leads nowhere is there, and what is wrong with it is told. */
async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    if (isErrno(error, 'ELOOP', 'EACCES')) return 'file';
    throw error;
  }
}

/** Interpreter and libraries can only be looked for where the file is to run: on this machine or not at all. */
async function verifyFile(
  path: string,
  wanted: Platform | undefined,
  { environment, cwd }: VerbContext,
): Promise<VerifyReport> {
  const own = process.platform === 'linux' ? parsePlatform(process.arch) : undefined;
  const platform = wanted ?? own;
  if (platform === undefined)
    throw new Complaint(
      exits.usage,
      `This machine is ${process.platform}/${process.arch}. Say with --platform what the file is to run on.`,
    );
  const isWhole = platform.name === own?.name;
  const findings = await checkPrograms([path], {
    files: localFiles(),
    demand: { platform, because: isWhole ? `this machine is ${platform.name}` : `${platform.name} was asked for` },
    user: thisUser(),
    env: environment,
    workingFolder: cwd,
    where: 'on this machine',
    isWhole,
  });
  return { platform: platform.name, ...findings };
}

function tell(given: string, { platform, problems, facts, unchecked }: VerifyReport, context: VerbContext): void {
  if (context.json) {
    context.write(
      `${JSON.stringify({ subject: given, platform, good: problems.length === 0, problems, facts, unchecked })}\n`,
    );
    return;
  }
  const lines = [
    ...problems.map((text) => `problem: ${text}`),
    ...facts,
    ...unchecked.map((text) => `not checked: ${text}`),
    problems.length > 0
      ? `${given} is NOT good for ${platform}: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`
      : `${given} is good for ${platform}${unchecked.length > 0 ? ', as far as it was checked' : ''}`,
  ];
  context.write(`${lines.join('\n')}\n`);
}
