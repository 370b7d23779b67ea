/** The key that secrets are sealed with: 32 random bytes in a file of its own, outside of the data folder. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../core/errno.ts';

/** Something that the person who set it up can mend. */
export class KeyFileTrouble extends Error {
  override readonly name = 'KeyFileTrouble';
}

/** The key, or undefined when there is no such file. Throws KeyFileTrouble when it is no key, or others may read it. */
export async function readKeyFile(path: string): Promise<Uint8Array | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return undefined;
    throw new KeyFileTrouble(`The key file ${path} cannot be read (${codeOf(cause)}); make it readable for Hearth.`, {
      cause,
    });
  }
  if (((await stat(path)).mode & 0o007) !== 0)
    throw new KeyFileTrouble(`Everybody may read the key file ${path}; run: chmod 600 ${path}`);
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new KeyFileTrouble(`${path} is no key of Hearth: it holds 64 hex digits. Correct HEARTH_KEY_FILE.`);
  return Buffer.from(text.trim(), 'hex');
}

/**
 * Makes a key where there is none, and returns the one that is there then. Whole or not at all: two processes that make one
 * at the same time get the same.
 */
export async function makeKeyFile(path: string): Promise<Uint8Array> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('hex')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Unlike rename, this does not replace a key that came to be in between.
    await link(temporary, path).catch((cause: unknown) => {
      if (!isErrno(cause, 'EEXIST')) throw cause;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  const key = await readKeyFile(path);
  if (key === undefined) throw new KeyFileTrouble(`The key file ${path} was removed while it was made; try again.`);
  return key;
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
}
