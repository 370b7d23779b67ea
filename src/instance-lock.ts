/** One process per role and data folder. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { isErrno } from './core/errno.ts';

/**
 * Holds the lock until disposed or until the process dies, however it dies: it is a socket in the kernel's abstract
 * namespace, so nothing can be left behind. Undefined when another process holds it.
 */
export async function lockInstance(role: string, dataDirectory: string): Promise<AsyncDisposable | undefined> {
  const digest = createHash('sha256').update(realpathSync(dataDirectory)).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`\0hearth-${role}-${digest}`, resolve);
    });
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) return undefined;
    throw error;
  }
  server.unref();
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
