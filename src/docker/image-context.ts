/**
 * The folder that a build sees: the layers of a workspace, one on top of the other. The Docker command line reads it on the
 * host, so every way into it is looked at for links first.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';
import { failed, success, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';

export interface BuildContext {
  /** Path on the host. */
  readonly folder: string;
  readonly dockerfile: string;
  /** Text of the `.dockerignore` that belongs to the Dockerfile alone; null = none. */
  readonly ignored: string | null;
}

export interface ContextTrouble {
  readonly kind: 'config' | 'disk';
  readonly message: string;
}

const MAX_DOCKERFILE_BYTES = 1024 ** 2;

/** `layers` topmost first. One alone is read where it is; several are copied to `target`, a folder that is not there yet. */
export async function makeContext(
  layers: readonly string[],
  target: string,
  { context, file }: { readonly context: string; readonly file: string },
): Promise<Result<BuildContext, ContextTrouble>> {
  const [only, ...more] = layers;
  if (only === undefined || more.length > 0) {
    const stacked = await stack([...layers].reverse(), target);
    if (!stacked.ok) return stacked;
  }
  return contextIn(only !== undefined && more.length === 0 ? only : target, { context, file });
}

/** Nobody changes the folder meanwhile: layers are never written to again. */
async function contextIn(
  root: string,
  { context, file }: { readonly context: string; readonly file: string },
): Promise<Result<BuildContext, ContextTrouble>> {
  const places = [context, file, join(context, '.dockerignore'), `${file}.dockerignore`];
  for (const path of places) {
    const link = await linkOn(root, path);
    if (link !== undefined)
      return failed({
        kind: 'config',
        message: `${shown(link)} is a symbolic link; an image is built from real files and folders of the workspace`,
      });
  }
  if ((await statOf(join(root, context)))?.isDirectory() !== true)
    return failed({ kind: 'config', message: `there is no folder ${shown(context)} in the workspace (image.context)` });
  const dockerfile = await textOf(root, file);
  if (dockerfile === undefined) return failed({ kind: 'config', message: await noDockerfile(root, { context, file }) });
  const ignored = (await textOf(root, `${file}.dockerignore`)) ?? null;
  return success({ folder: join(root, context), dockerfile, ignored });
}

async function noDockerfile(
  root: string,
  { context, file }: { readonly context: string; readonly file: string },
): Promise<string> {
  if ((await statOf(join(root, file))) !== undefined)
    return `${shown(file)} is no file of at most ${MAX_DOCKERFILE_BYTES} bytes (image.file)`;
  const inContext = join(context, file);
  const hint = (await statOf(join(root, inContext))) !== undefined ? `; did you mean ${shown(inContext)}?` : '';
  return `there is no file ${shown(file)} in the workspace, from whose top image.file is named${hint}`;
}

/** The Dockerfile under a name of its own beside the context, with what it ignores. Its path. */
export async function writeDockerfile(
  folder: string,
  name: string,
  text: string,
  ignored: string | null,
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  await writeFile(path, text);
  if (ignored !== null) await writeFile(`${path}.dockerignore`, ignored);
  return path;
}

async function stack(layers: readonly string[], target: string): Promise<Result<void, ContextTrouble>> {
  await mkdir(target, { recursive: true, mode: 0o700 });
  for (const layer of layers) {
    const args = ['-a', '--reflink=auto', '--remove-destination', '--', `${layer}/.`, target];
    const { failed: isFailed, stderr } = await execa('cp', args, { reject: false, stdin: 'ignore' });
    if (!isFailed) continue;
    const message = `the build context could not be made: ${stderr.split('\n')[0] ?? ''}`;
    return failed({ kind: /No space left|quota exceeded/i.test(stderr) ? 'disk' : 'config', message });
  }
  return success(undefined);
}

/** Undefined when it is absent, no plain file, or too long. */
async function textOf(root: string, path: string): Promise<string | undefined> {
  try {
    const file = await open(join(root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      return stat.isFile() && stat.size <= MAX_DOCKERFILE_BYTES ? await file.readFile('utf8') : undefined;
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
    throw cause;
  }
}

/** The first part of the path that is a link. */
async function linkOn(root: string, path: string): Promise<string | undefined> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  for (let count = 1; count <= parts.length; count++) {
    const part = parts.slice(0, count).join('/');
    const stat = await statOf(join(root, part));
    if (stat === undefined) return undefined;
    if (stat.isSymbolicLink()) return part;
  }
  return undefined;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined;
    throw cause;
  }
}
