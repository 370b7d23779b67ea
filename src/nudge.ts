/**
 * Nudges between the processes of one data folder: "look at the store now". They carry nothing, may be lost, and only
 * save the wait for the next timer.
 */
import { chmod, rm } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';

/** The kernel's limit for the path of a Unix socket (unix(7): 108 with its final zero). */
const MAX_PATH_BYTES = 107;

/**
 * Calls `onNudge` for every nudge until disposed. Takes over the path of a process that died. In a data folder whose path
 * is too long for a socket there are no nudges, and the timers alone serve.
 */
export async function listenForNudges(path: string, onNudge: () => void): Promise<AsyncDisposable> {
  if (!fits(path)) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  await rm(path, { force: true });
  const server = createServer((socket) => {
    socket.on('data', onNudge);
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o660);
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

/** Nudges whoever listens there, if anybody does. Never fails and never waits. */
export function nudge(path: string): void {
  if (!fits(path)) return;
  const socket = createConnection(path);
  socket.on('error', () => socket.destroy());
  socket.end('.');
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_PATH_BYTES;
}
