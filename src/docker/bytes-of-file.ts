/** An open file of this machine as bytes that can be read anywhere. */
import type { FileHandle } from 'node:fs/promises';
import type { ImageFiles } from '../core/verify/files.ts';

/** Disposing calls `close`. */
export function bytesOfFile(
  file: FileHandle,
  size: number,
  close: () => Promise<void>,
): Awaited<ReturnType<ImageFiles['open']>> {
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: close,
  };
}
