/** Whether one program could be started, and by what: the file, its interpreter and its libraries. Pure. */
import { readBinary, type Binary } from './binary.ts';
import type { Elf } from './elf.ts';
import { fact, forWhom, merge, problem, type Findings } from './findings.ts';
import { absolute, lookUp, type Found, type ImageFiles } from './files.ts';
import { loadLibraries } from './libraries.ts';
import { loaderKind, readLoader } from './loader.ts';
import { programOfEnv, type Script } from './script.ts';
import { misfit, pathText, strange, type Demand } from './sentences.ts';
import { mayExecute, mayRead, type User } from './users.ts';

/** Where programs are to run. */
export interface Surroundings {
  readonly files: ImageFiles;
  readonly demand: Demand;
  readonly user: User;
  /** PATH and LD_LIBRARY_PATH are looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly workingFolder: string;
  /** `in the image` */
  readonly where: string;
  /** false = only the files themselves are there, not what they need. */
  readonly isWhole: boolean;
}

interface Parts extends Surroundings {
  readonly read: (path: string) => Promise<Binary>;
}

/** As Docker sets it for an image that says nothing. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** As many scripts as Linux follows when the interpreter of each is the next. */
const MOST_SCRIPTS = 5;

/** Each name is a path, or is looked up on the PATH. All problems of all of them, each said once. */
export async function checkPrograms(names: readonly string[], surroundings: Surroundings): Promise<Findings> {
  const known = new Map<string, Promise<Binary>>();
  const read = (path: string): Promise<Binary> => {
    const there = known.get(path) ?? readAt(surroundings.files, path);
    known.set(path, there);
    return there;
  };
  const found: Findings[] = [];
  for (const name of names) found.push(await checkProgram(name, { ...surroundings, read }));
  return merge(found);
}

async function readAt(files: ImageFiles, path: string): Promise<Binary> {
  await using file = await files.open(path);
  return await readBinary(file);
}

async function checkProgram(name: string, parts: Parts): Promise<Findings> {
  if (name === '') return problem('A program without a name was asked for. Name one.');
  if (name.includes('/')) return checkFile(absolute(name, parts.workingFolder), parts);
  const path = await onPath(name, parts);
  if (path !== undefined) return checkFile(path, parts);
  const searched = parts.env['PATH'] ?? DEFAULT_PATH;
  return problem(`${pathText(name)} is not on the PATH (${pathText(searched)}). Install it, or name its whole path.`);
}

/** The first that may be executed, else the first file of that name. */
async function onPath(name: string, parts: Parts): Promise<string | undefined> {
  let second: string | undefined;
  for (const folder of (parts.env['PATH'] ?? DEFAULT_PATH).split(':')) {
    const path = absolute(`${folder === '' ? '.' : folder.replace(/\/+$/, '')}/${name}`, parts.workingFolder);
    const found = await lookUp(parts, path);
    if (found.kind !== 'there' || found.entry.kind !== 'file') continue;
    if (mayExecute(found.entry, parts.user)) return path;
    second ??= path;
  }
  return second;
}

async function checkFile(path: string, parts: Parts, depth = 0): Promise<Findings> {
  const found = await lookUp(parts, path);
  const shown = pathText(path);
  const fault = faultOf(found, parts);
  if (fault !== undefined || found.kind !== 'there') return problem(`${shown} ${fault ?? ''}.`);
  const modes = faultOfMode(found, parts);
  const binary = await parts.read(found.path);
  const findings = await checkBinary(binary, { path, real: found.path, found, depth }, parts);
  return modes === undefined ? findings : merge([problem(`${shown} ${modes}.`), findings]);
}

/** Why there is no file to look at; follows the path, without an end. */
function faultOf(found: Found, { where, user }: Parts): string | undefined {
  switch (found.kind) {
    case 'missing':
      return found.link === null
        ? `is not ${where}. Put it there, or correct its name`
        : `leads through the link ${pathText(found.link)} to ${pathText(found.at)}, which is not ${where}. Correct the link`;
    case 'loop':
      return 'is a link that leads in a circle, or to a name that is too long. Correct the link';
    case 'closed':
      return `cannot be reached by user ${user.uid}, who may not enter ${pathText(found.at)}. Change its mode in the build`;
    case 'there':
      return found.entry.kind === 'folder'
        ? 'is a folder. Name the program in it'
        : found.entry.kind === 'other'
          ? 'is a device, a pipe or a socket. Name a program'
          : undefined;
  }
}

function faultOfMode({ entry }: Extract<Found, { kind: 'there' }>, { user }: Parts): string | undefined {
  if (entry.kind !== 'file' || mayExecute(entry, user)) return undefined;
  const mode = `0${entry.mode.toString(8).padStart(3, '0')}`;
  return (entry.mode & 0o111) === 0
    ? `is not executable (mode ${mode}). Run chmod +x on it in the build`
    : `may not be executed by user ${user.uid} (mode ${mode}, owner ${entry.uid}:${entry.gid}). Change its mode or owner in the build`;
}

interface Place {
  readonly path: string;
  /** Without links. */
  readonly real: string;
  readonly found: Extract<Found, { kind: 'there' }>;
  readonly depth: number;
}

async function checkBinary(binary: Binary, place: Place, parts: Parts): Promise<Findings> {
  switch (binary.kind) {
    case 'elf':
      return checkElf(binary, place, parts);
    case 'script':
      return checkScript(binary, place, parts);
    case 'flawed':
    case 'mach-o':
    case 'pe':
    case 'empty':
    case 'text':
    case 'unknown':
      return problem(`${pathText(place.path)} ${strange(binary, parts.demand)}.`);
  }
}

async function checkElf(elf: Elf, { path, real }: Place, parts: Parts): Promise<Findings> {
  const shown = pathText(path);
  const { interpreter, dynamic } = elf;
  const faults = [misfit(elf, parts.demand), noProgram(elf, real)].filter((fault) => fault !== undefined);
  if (faults.length > 0) return { ...problem(''), problems: faults.map((fault) => `${shown} ${fault}.`) };
  const kind = `${elf.bits}-bit ELF for ${parts.demand.platform.name}`;
  if (interpreter === null) return fact(`${shown} is ${kind} and needs no loader or library.`);
  if (!parts.isWhole) {
    const needed =
      dynamic === null || dynamic.needed.length === 0 ? '' : ` and ${dynamic.needed.map(pathText).join(', ')}`;
    return {
      problems: [],
      facts: [`${shown} is ${kind}.`],
      unchecked: [`Whether ${shown} finds ${pathText(interpreter)}${needed} where it is to run was NOT checked.`],
    };
  }
  const loaderPath = absolute(interpreter, parts.workingFolder);
  const found = await lookUp(parts, loaderPath);
  if (found.kind === 'missing') {
    const libc = loaderKind(loaderPath);
    return problem(
      `${shown} needs the loader ${pathText(interpreter)} (of ${libc}), which is not ${parts.where}. ` +
        `Link it statically, or use a base image with ${libc}.`,
    );
  }
  const loaderFindings = await checkFile(loaderPath, parts);
  if (loaderFindings.problems.length > 0 || found.kind !== 'there') return forWhom(loaderFindings, shown);
  if (dynamic === null) return fact(`${shown} is ${kind}; its loader ${pathText(interpreter)} is ${parts.where}.`);
  const loaderFile = await parts.read(found.path);
  const loaderSoname = loaderFile.kind === 'elf' ? (loaderFile.dynamic?.soname ?? null) : null;
  const loader = await readLoader(loaderPath, { ...parts, platform: parts.demand.platform });
  const loaded = await loadLibraries({ path, real, dynamic }, loader, { ...parts, loaderSoname });
  const count = loaded.libraries.length;
  const libraries = count === 0 ? '' : count === 1 ? ' and its library' : ` and its ${count} libraries`;
  return loaded.problems.length > 0
    ? { ...problem(''), problems: loaded.problems }
    : fact(`${shown} is ${kind}; its loader ${pathText(interpreter)}${libraries} fit and are ${parts.where}.`);
}

/** ELF that nobody can start; follows the path. */
function noProgram({ type, interpreter, dynamic }: Elf, real: string): string | undefined {
  switch (type) {
    case 'relocatable':
      return 'is an object file (.o), no program. Link it';
    case 'core':
      return 'is a core dump, no program. Name the program';
    case 'other':
      return 'is ELF of a type that Linux does not run. Build it as a program';
    case 'program':
      return undefined;
    case 'shared': {
      // The loader itself looks like any library; nothing else that does can be started.
      const isLoader =
        /\/ld[-.\d][^/]*$|\/ld64[^/]*$/.test(real) ||
        /^(?:ld[-.\d]|ld64|libc\.musl|libc\.so$)/.test(dynamic?.soname ?? '');
      const isStatic = dynamic === null || dynamic.isProgram;
      return interpreter !== null || isStatic || isLoader
        ? undefined
        : 'is a shared library, no program. Name a program';
    }
  }
}

async function checkScript(script: Script, place: Place, parts: Parts): Promise<Findings> {
  const shown = pathText(place.path);
  const { interpreter, argument } = script;
  if (script.hasCarriageReturn)
    return problem(
      `${shown} ends its first line as Windows does (CR LF), so ${argument === null ? 'Linux looks for' : `${pathText(interpreter)} is given`} ${JSON.stringify(`${argument ?? interpreter}\r`)}. ` +
        'Save it with plain line ends (LF).',
    );
  if (interpreter === '') return problem(`${shown} names no interpreter after #!. Write one, such as #!/bin/sh.`);
  const { entry } = place.found;
  if (entry.kind === 'file' && !mayRead(entry, parts.user))
    return problem(`${shown} is a script that user ${parts.user.uid} may not read. Change its mode in the build.`);
  if (place.depth >= MOST_SCRIPTS)
    return problem(
      `${shown} stands at the end of more scripts that run each other than Linux follows. Name a program in its first line.`,
    );
  const line = `#!${pathText(interpreter)}${argument === null ? '' : ` ${pathText(argument)}`}`;
  if (!parts.isWhole)
    return {
      problems: [],
      facts: [`${shown} is a script (${line}).`],
      unchecked: [`Whether ${pathText(interpreter)} is where ${shown} is to run was NOT checked.`],
    };
  const path = absolute(interpreter, parts.workingFolder);
  const found = await lookUp(parts, path);
  if (found.kind === 'missing')
    return problem(
      `${shown} is a script for ${pathText(interpreter)}, which is not ${parts.where}. Install it, or name another in the first line.`,
    );
  const own = forWhom(await checkFile(path, parts, place.depth + 1), shown);
  const more = /\/env$/.test(interpreter) ? await checkEnv(argument, shown, parts) : [];
  const all = merge([own, ...more]);
  return all.problems.length > 0 ? all : merge([fact(`${shown} is a script (${line}).`), all]);
}

async function checkEnv(argument: string | null, shown: string, parts: Parts): Promise<readonly Findings[]> {
  const wanted = programOfEnv(argument);
  switch (wanted.kind) {
    case 'none':
      return [];
    case 'unsplit':
      return [
        problem(
          `${shown} asks env for a program called ${JSON.stringify(wanted.text)}: all after env is one word. Write #!/usr/bin/env -S ${pathText(wanted.text).replaceAll('"', '')}.`,
        ),
      ];
    case 'program': {
      const path = wanted.name.includes('/')
        ? absolute(wanted.name, parts.workingFolder)
        : await onPath(wanted.name, parts);
      const isThere = path !== undefined && (await lookUp(parts, path)).kind !== 'missing';
      if (!isThere)
        return [
          problem(
            `${shown} is a script for ${pathText(wanted.name)}, which is not on the PATH ${parts.where} (${pathText(parts.env['PATH'] ?? DEFAULT_PATH)}). Install it, or name another in the first line.`,
          ),
        ];
      return [forWhom(await checkFile(path, parts), shown)];
    }
  }
}
