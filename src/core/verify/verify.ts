/** What `verify` asks of an image or a file, and what it tells. Pure. */
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';
import { absolute, lookUp, type ImageFiles } from './files.ts';
import { utf8, readUpTo } from './bytes.ts';
import { imageFits, nameOfImage, type ImagePlatform, type Platform } from './platform.ts';
import { merge, type Findings } from './findings.ts';
import { checkPrograms } from './program.ts';
import { ROOT, userOf } from './users.ts';

export interface VerifySpec {
  /** Paths, or names that are looked up on the image's PATH; empty = what the image starts. */
  readonly binaries: readonly string[];
  /** A whole command, program first; null = nothing is run. */
  readonly run: readonly string[] | null;
}

/** Good exactly when there is no problem. */
export interface VerifyReport extends Findings {
  /** What everything was held against. */
  readonly platform: string;
}

/** What an image says of itself. */
export interface ImageConfiguration extends ImagePlatform {
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Empty = root. */
  readonly user: string;
  /** Empty = `/`. */
  readonly workingFolder: string;
}

/** All that can be told of an image without starting it. */
export async function verifyFiles(
  image: ImageConfiguration,
  files: ImageFiles,
  { platform, spec }: { readonly platform: Platform; readonly spec: VerifySpec },
): Promise<Findings> {
  const names = programsOf(image, spec);
  const fits = imageFits(image, platform);
  const own = shown(nameOfImage(image));
  // Who root is need not be looked up, and every look costs a call of the engine.
  const isNamed = !['', '0', 'root'].includes(image.user);
  const accounts = {
    passwd: isNamed ? await textOf(files, '/etc/passwd') : '',
    group: isNamed ? await textOf(files, '/etc/group') : '',
  };
  const user = isNamed ? userOf(image.user, accounts) : success(ROOT);
  const workingFolder = image.workingFolder === '' ? '/' : absolute(image.workingFolder, '/');
  const checked = names.ok
    ? await checkPrograms(names.value, {
        files,
        demand: { platform, because: fits ? `the image is ${own}` : `${platform.name} was asked for` },
        user: user.ok ? user.value : ROOT,
        env: image.env,
        workingFolder,
        where: 'in the image',
        isWhole: true,
      })
    : undefined;
  const problems = [
    ...(fits
      ? []
      : [`The image is ${own}, and ${platform.name} was asked for. Build it with --platform ${platform.name}.`]),
    ...(names.ok ? [] : [names.problem]),
    ...(user.ok ? [] : [user.problem]),
  ];
  return merge([{ problems, facts: [], unchecked: [] }, ...(checked === undefined ? [] : [checked])]);
}

/** What is looked at; the program of the command that is run is among them. */
function programsOf(
  { entrypoint, command }: ImageConfiguration,
  { binaries, run }: VerifySpec,
): Result<readonly string[], string> {
  const started = binaries.length > 0 ? binaries : [...entrypoint, ...command].slice(0, 1);
  const names = [...new Set([...started, ...(run ?? []).slice(0, 1)])];
  return names.length === 0
    ? failed('The image has neither an entry point nor a command. Name the programs in it that are to be looked at.')
    : success(names);
}

const MOST_ACCOUNT_BYTES = 1024 * 1024;

async function textOf(files: ImageFiles, path: string): Promise<string> {
  const found = await lookUp({ files, user: ROOT }, path);
  if (found.kind !== 'there' || found.entry.kind !== 'file') return '';
  await using file = await files.open(found.path);
  return utf8(await readUpTo(file, 0, MOST_ACCOUNT_BYTES));
}
