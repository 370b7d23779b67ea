/**
 * Carries a job's raw output into its job log, masked. The raw file is private to the slot and deleted with the job; a
 * process that takes a job over masks it again from the start and skips what the log already holds, so no byte is lost
 * and none is written twice.
 */
import { join } from 'node:path';
import type { JobLogWriter } from '../core/ports.ts';
import { openPlain } from './safe-read.ts';
import { jobDirectory } from './slot-files.ts';
import type { Slot } from './slot.ts';

export interface Masker {
  /** Masked bytes that are certain now; a secret may end in a later chunk, so some may be held back. */
  push(chunk: Uint8Array): Uint8Array;
  /** What was held back. */
  flush(): Uint8Array;
}

export interface RawLogCopy {
  /** Copies what is there and not copied yet. Calls are queued; may be repeated at will. */
  catchUp(): Promise<void>;
  /**
   * Copies the rest and the masker's tail. `trailer` is put at the end, masked as well. Of output that was cut off the tail
   * may be the beginning of a secret, so that is masked too.
   */
  finish(end: { readonly trailer: string; readonly isCut: boolean }): Promise<void>;
}

export interface FollowedLog {
  /** As that of a copy. Nothing is copied after it, which would go into a log that is closed by then. */
  finish: RawLogCopy['finish'];
  /** Copies what is there when nobody knows how it goes on; never rejects. Nothing is copied after it. */
  letGo(): Promise<void>;
  /** Nothing is copied from now on. May be repeated. */
  stop(): void;
}

/** Copies what a job of this slot writes as it comes, until one of the three is called. */
export function followRawLog(
  slot: Pick<Slot, 'directory' | 'onLog'>,
  n: number,
  { log, masker, skipBytes, onError }: FollowParts,
): FollowedLog {
  const copy = copyRawLog(join(jobDirectory(slot.directory, n), 'log'), log, masker, skipBytes);
  const stop = slot.onLog(n, () => {
    copy.catchUp().catch(onError);
  });
  return {
    async finish(end) {
      stop();
      await copy.finish(end);
    },
    async letGo() {
      stop();
      await copy.catchUp().catch(onError);
    },
    stop,
  };
}

export interface FollowParts {
  readonly log: Pick<JobLogWriter, 'append'>;
  readonly masker: Masker;
  /** Bytes of masked output that are in the log already. */
  readonly skipBytes: number;
  /** Something could not be copied; the next time goes on from there. */
  readonly onError: (error: unknown) => void;
}

const CHUNK_BYTES = 1024 ** 2;

function copyRawLog(path: string, log: Pick<JobLogWriter, 'append'>, masker: Masker, skipBytes: number): RawLogCopy {
  let offset = 0;
  let skip = skipBytes;
  let queue: Promise<void> = Promise.resolve();

  async function append(bytes: Uint8Array): Promise<void> {
    const skipped = Math.min(skip, bytes.length);
    skip -= skipped;
    if (skipped < bytes.length) await log.append(bytes.subarray(skipped));
  }

  async function copy(): Promise<void> {
    const raw = await openPlain(path);
    try {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await raw.read(buffer, 0, CHUNK_BYTES, offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        await append(masker.push(buffer.subarray(0, bytesRead)));
      }
    } finally {
      await raw.close();
    }
  }

  function catchUp(): Promise<void> {
    // One failed copy must not stop the next: the offset says where it has to go on.
    queue = queue.then(copy, copy);
    return queue;
  }

  return {
    catchUp,
    async finish({ trailer, isCut }) {
      await catchUp();
      const tail = masker.flush();
      await append(isCut && tail.length > 0 ? Buffer.from('***') : tail);
      await append(masker.push(Buffer.from(trailer)));
      await append(masker.flush());
    },
  };
}
