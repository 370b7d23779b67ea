/**
 * Job logs as files: `logs/<run>/<job>.<attempt>.log` under the data folder. Append-only. What may be read there was
 * masked before it came here.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JobId, RunId } from '../core/job.ts';
import type { JobLogs, JobLogWriter } from '../core/ports.ts';
import { hasCode, makePrivateFolder, openPrivateFile } from './private-files.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * The logs under a data folder, which must exist. One writer per attempt at a time. A log that does not exist has no
 * size and no bytes; any other trouble of the disk rejects with the system's error.
 */
export function openJobLogs(dataFolder: string): JobLogs {
  const folder = join(dataFolder, 'logs');
  const pathOf = (run: RunId, job: JobId, attempt: number): string => {
    for (const part of [run, job, attempt]) {
      if (!Number.isSafeInteger(part) || part < 0)
        throw new RangeError(`a log path is made from whole numbers, not from ${part}`);
    }
    return join(folder, String(run), `${job}.${attempt}.log`);
  };
  return {
    async open(run, job, attempt) {
      const path = pathOf(run, job, attempt);
      await makePrivateFolder(folder);
      await makePrivateFolder(dirname(path));
      return openWriter(path);
    },
    async size(run, job, attempt) {
      return sizeOf(pathOf(run, job, attempt));
    },
    read(run, job, attempt, start, end) {
      return readBytes(pathOf(run, job, attempt), start, end);
    },
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function* readBytes(path: string, start: number, end: number): AsyncIterable<Uint8Array> {
  const file = await openForReading(path);
  if (file === undefined) return;
  try {
    yield* chunksOf(file, start, end);
  } finally {
    await file.close();
  }
}

async function openForReading(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Ends early where the file ends. */
async function* chunksOf(file: FileHandle, start: number, end: number): AsyncIterable<Uint8Array> {
  let position = start;
  while (position < end) {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function openWriter(path: string): Promise<JobLogWriter> {
  const file = await openPrivateFile(path, constants.O_RDWR | constants.O_APPEND);
  try {
    return writerOn(file, path, await hashOf(file));
  } catch (error) {
    await file.close();
    throw error;
  }
}

interface Hashed {
  readonly hash: Hash;
  readonly bytes: number;
}

async function hashOf(file: FileHandle): Promise<Hashed> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunksOf(file, 0, Number.MAX_SAFE_INTEGER)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { hash, bytes };
}

function writerOn(file: FileHandle, path: string, existing: Hashed): JobLogWriter {
  let { hash, bytes } = existing;
  let last: Promise<unknown> = Promise.resolve();

  /** One step after the other, also when the caller does not wait; a failed step fails only its own caller. */
  function inOrder<T>(step: () => Promise<T>): Promise<T> {
    const result = last.then(step, step);
    last = result;
    return result;
  }

  async function write(chunk: Uint8Array): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      // A full disk may take a part only; the digest follows what the file took.
      const { bytesWritten } = await file.write(rest, 0, rest.length);
      hash.update(rest.subarray(0, bytesWritten));
      bytes += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }

  async function finish(): Promise<{ readonly sha256: string; readonly bytes: number }> {
    await file.sync();
    await syncFolder(dirname(path));
    await syncFolder(dirname(dirname(path)));
    // Somebody else wrote too, such as the process before this one: then only the file itself knows.
    if ((await file.stat()).size !== bytes) ({ hash, bytes } = await hashOf(file));
    return { sha256: hash.copy().digest('hex'), bytes };
  }

  return {
    get bytes() {
      return bytes;
    },
    append: (chunk) => inOrder(() => write(chunk)),
    finish: () => inOrder(finish),
    close: () => inOrder(() => file.close()),
  };
}

/** A new file is there after a power cut only when its folder is on disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
