/** The frame of every program here: signals, exit codes, and words for what goes wrong at the start. */
import { BadSettings } from './settings.ts';

/** Longer than any graceful stop takes; the engine's own patience before SIGKILL is 10 s. */
const STOP_MS = 8000;

/**
 * Runs the program. `untilStopped` resolves with the first SIGTERM or SIGINT; a second one, or a stop that takes too
 * long, ends the process at once with 1. Exit code: the
 * program's; 2 for wrong settings, 1 for anything else that was thrown.
 */
export async function runProgram(program: (untilStopped: Promise<void>) => Promise<number>): Promise<void> {
  const untilStopped = new Promise<void>((resolve) => {
    const stop = (): void => {
      setTimeout(() => process.exit(1), STOP_MS).unref();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));
      resolve();
    };
    const once = (): void => {
      process.off('SIGTERM', once).off('SIGINT', once);
      stop();
    };
    process.on('SIGTERM', once).on('SIGINT', once);
  });
  // Waiting for a signal alone does not keep Node running.
  setInterval(() => undefined, STOP_MS);
  try {
    process.exit(await program(untilStopped));
  } catch (error) {
    process.stderr.write(`${error instanceof BadSettings ? error.message : describe(error)}\n`);
    process.exit(error instanceof BadSettings ? 2 : 1);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
