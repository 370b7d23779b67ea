/** Pipeline files of the working tree a person stands in. */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { isErrno } from '../core/errno.ts';
import { isPipelineFile, loadPipeline, PIPELINE_FOLDERS } from '../core/pipeline/pipeline-file.ts';
import type { Pipeline } from '../core/pipeline/pipeline.ts';
import type { Problem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';

export interface LocalPipeline {
  /** From the top of the working tree where it lies inside, else as given. */
  readonly file: string;
  readonly parsed: Result<Pipeline, readonly Problem[]>;
}

/** The nearest folder above (or the folder itself) that holds a `.git`, else the folder itself. */
export async function topOf(cwd: string): Promise<string> {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (await isThere(join(folder, '.git'))) return folder;
    if (dirname(folder) === folder) return resolve(cwd);
  }
}

/** What a push of this working tree would run: all files of the first pipeline folder that has one. */
export async function findPipelines(cwd: string): Promise<readonly LocalPipeline[]> {
  const top = await topOf(cwd);
  for (const folder of PIPELINE_FOLDERS) {
    const files = (await namesIn(join(top, folder))).filter(isPipelineFile).toSorted();
    if (files.length > 0) return Promise.all(files.map((file) => readPipeline(top, join(top, folder, file))));
  }
  return [];
}

/** One file, wherever it lies. A file that cannot be read is a problem like any other. */
export async function readPipeline(top: string, path: string): Promise<LocalPipeline> {
  const inside = relative(top, path);
  const file = inside.startsWith('..') ? path : inside;
  try {
    const parsed = await loadPipeline(await readFile(path, 'utf8'), file, (included) => readIncluded(top, included));
    return { file, parsed };
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'EISDIR', 'EACCES')) throw cause;
    const what = isErrno(cause, 'ENOENT')
      ? 'There is no such file'
      : isErrno(cause, 'EISDIR')
        ? 'This is a folder'
        : 'This file may not be read';
    return {
      file,
      parsed: failed([{ code: 'bad-value', message: `${what}. Name a pipeline file that you can read.`, file }]),
    };
  }
}

async function readIncluded(top: string, path: string): Promise<Result<string, string>> {
  try {
    return success(await readFile(join(top, path), 'utf8'));
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return failed('is not there');
    if (isErrno(cause, 'EISDIR')) return failed('is a folder');
    if (isErrno(cause, 'EACCES')) return failed('may not be read');
    throw cause;
  }
}

export const NOTHING_FOUND = `No pipeline file found in ${PIPELINE_FOLDERS.join(' or ')}. Write one, for example .hearth/main.yml (docs/pipeline-file.md), or let \`hearth migrate\` make one of a workflow or a .gitlab-ci.yml.`;

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return [];
    throw cause;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false;
    throw cause;
  }
}
