/** What Hearth itself says in a job's log before the job's commands begin. */
import type { JobLogWriter } from '../core/ports.ts';

export interface Prelude {
  say(text: string): void;
  /** Resolves when all that was said is in the log, in order; rejects with the first failed write. May be repeated. */
  written(): Promise<void>;
}

export function writePrelude(log: JobLogWriter): Prelude {
  let tail = Promise.resolve();
  return {
    say(text) {
      tail = tail.then(() => log.append(Buffer.from(text)));
      tail.catch(() => undefined); // reported by `written`
    },
    written: () => tail,
  };
}
