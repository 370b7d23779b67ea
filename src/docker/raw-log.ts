/**
 * Carries a job's raw output into its job log, masked. The raw file is private to the slot and deleted with the job; a
 * process that takes a job over masks it again from the start and skips what the log already holds, so no byte is lost
 * and none is written twice.
 */
import type { JobLogWriter } from '../core/ports.ts';
import { openPlain } from './safe-read.ts';

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

const CHUNK_BYTES = 1024 ** 2;

/** `skipBytes` of masked output are in the log already. */
export function copyRawLog(
  path: string,
  log: Pick<JobLogWriter, 'append'>,
  masker: Masker,
  skipBytes: number,
): RawLogCopy {
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

  return {
    catchUp() {
      // One failed copy must not stop the next: the offset says where it has to go on.
      queue = queue.then(copy, copy);
      return queue;
    },
    async finish({ trailer, isCut }) {
      await this.catchUp();
      const tail = masker.flush();
      await append(isCut && tail.length > 0 ? Buffer.from('***') : tail);
      await append(masker.push(Buffer.from(trailer)));
      await append(masker.flush());
    },
  };
}
