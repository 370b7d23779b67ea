/** `hearth migrate FILE`: another system's pipeline file → ours, written beside it. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { migrate as convert, type Migration, type Source } from '../core/migrate/migrate.ts';
import type { Note } from '../core/migrate/note.ts';
import { isPipelineFile, PIPELINE_FOLDERS } from '../core/pipeline/pipeline-file.ts';
import { formatProblem } from '../core/problem.ts';
import { MAX_YAML_CHARACTERS } from '../core/pipeline/yaml-tree.ts';
import { Complaint, exits, type ExitCode, type VerbContext } from './exit.ts';
import { topOf } from './working-tree.ts';

export interface MigrateOptions {
  /** Absent: told from the content. */
  readonly from?: Source;
  /** Absent: beside the other pipelines, under the original's name. `-`: standard output. */
  readonly output?: string;
  /** Write over a file that is there. */
  readonly force?: boolean;
}

/** Exit 0 when nothing is left to do by hand, 1 when something is; the file is written in both cases. */
export async function migrate(given: string, options: MigrateOptions, context: VerbContext): Promise<ExitCode> {
  const { cwd, json, write, complain } = context;
  const top = await topOf(cwd);
  const path = resolve(cwd, given);
  const text = await textOf(path, given);
  const target = options.output === '-' ? undefined : await targetOf(path, top, options, cwd);
  const file = fromTop(top, path);
  const shown = fromTop(top, target ?? join(top, '.hearth', nameFor(path)));
  const migrated = convert({ text, file, target: shown, from: options.from });
  if (!migrated.ok) throw new Complaint(exits.usage, migrated.problem.map(formatProblem).join('\n'));
  const { pipeline, notes } = migrated.value;
  if (target !== undefined) await put(target, pipeline, { original: path, shown, force: options.force === true });
  if (json)
    write(
      `${JSON.stringify({ file: target === undefined ? null : shown, from: migrated.value.from, pipeline, notes })}\n`,
    );
  else {
    if (target === undefined) write(pipeline);
    for (const note of notes) if (note.kind === 'todo') complain(lineFor(file, note));
    complain(`${target === undefined ? file : `${file} → ${shown}`}: ${summaryOf(migrated.value)}`);
  }
  return notes.some(({ kind }) => kind === 'todo') ? exits.bad : exits.good;
}

function lineFor(file: string, { line, key, text }: Note): string {
  return `${line === null ? file : `${file}:${line}`}: ${key}: ${text}`;
}

function summaryOf({ notes, taken }: Migration): string {
  const count = (kind: Note['kind']): number => notes.filter((note) => note.kind === kind).length;
  const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
  const todo = count('todo');
  const parts = [
    `${counted(taken.jobs, 'job')} with ${counted(taken.steps, 'step')} taken over`,
    `${count('changed')} changed`,
    `${count('dropped')} not needed`,
    todo === 0
      ? 'nothing needs your hand'
      : `${todo} ${todo === 1 ? 'needs' : 'need'} your hand (look for "by hand" in the file)`,
  ];
  return parts.join(', ');
}

async function textOf(path: string, given: string): Promise<string> {
  let handle;
  try {
    handle = await open(path);
    const stat = await handle.stat();
    // Four bytes are the most that one character takes; anything longer need not be read to be refused.
    if (stat.isFile() && stat.size > 4 * MAX_YAML_CHARACTERS)
      throw new Complaint(exits.usage, `${given}: The file is larger than 1 MiB. Name a pipeline file.`);
    return await handle.readFile('utf8');
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) throw new Complaint(exits.usage, `${given}: There is no such file.`, { cause });
    if (isErrno(cause, 'EISDIR'))
      throw new Complaint(exits.usage, `${given}: This is a folder. Name a file in it.`, { cause });
    if (isErrno(cause, 'EACCES', 'EPERM'))
      throw new Complaint(exits.usage, `${given}: This file may not be read. Change its mode.`, { cause });
    throw cause;
  } finally {
    await handle?.close();
  }
}

/** In the folder whose files count: a first file in `.hearth` would switch off those in `ci/pipelines`. */
async function targetOf(path: string, top: string, { output }: MigrateOptions, cwd: string): Promise<string> {
  if (output !== undefined) return resolve(cwd, output);
  const [first, second] = PIPELINE_FOLDERS;
  const counts = !(await hasPipelines(join(top, first))) && (await hasPipelines(join(top, second))) ? second : first;
  return join(top, counts, nameFor(path));
}

async function hasPipelines(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).some(isPipelineFile);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false;
    throw cause;
  }
}

/** `.gitlab-ci.yml` is `ci.yml`, `lint.gitlab-ci.yml` is `lint.yml`, any other file keeps its name. */
function nameFor(path: string): string {
  const stem = basename(path).replace(/\.ya?ml$/, '');
  const own = stem === '.gitlab-ci' ? 'ci' : stem.replace(/\.gitlab-ci$/, '').replace(/^\.+/, '');
  return `${own === '' ? 'ci' : own}.yml`;
}

function fromTop(top: string, path: string): string {
  const inside = relative(top, path);
  return inside.startsWith('..') ? path : inside;
}

interface Destination {
  readonly original: string;
  readonly shown: string;
  readonly force: boolean;
}

/** The whole file or nothing appears, also when the process dies here; what is there already stays unless told otherwise. */
async function put(target: string, text: string, { original, shown, force }: Destination): Promise<void> {
  if (await isSameFile(target, original))
    throw new Complaint(
      exits.usage,
      `${shown} is the original, which is never changed. Name another file with --output.`,
    );
  await mkdir(dirname(target), { recursive: true });
  const draft = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(draft, 'wx');
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (force) await rename(draft, target);
    else await link(draft, target);
  } catch (cause) {
    if (isErrno(cause, 'EEXIST'))
      throw new Complaint(
        exits.usage,
        `${shown} is there already. Name another file with --output, or write over it with --force.`,
        { cause },
      );
    if (isErrno(cause, 'EISDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR', 'EXDEV'))
      throw new Complaint(exits.usage, `${shown} cannot be written. Name another file with --output.`, {
        cause,
      });
    throw cause;
  } finally {
    await rm(draft, { force: true });
  }
}

async function isSameFile(a: string, b: string): Promise<boolean> {
  try {
    return (await realpath(a)) === (await realpath(b));
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false;
    throw cause;
  }
}
