/** The daemon's own log: JSON lines on standard output, for journald. Job output is never in it. */
import { pino, type Logger } from 'pino';

export type Log = Logger;

/**
 * The message is fixed text; what varies goes into fields. Secrets are wrapped (core/secret.ts) and show as `[secret]`.
 * `to` is a file descriptor: 1 for a service, 2 where standard output belongs to the answer.
 */
export function createLog(level: string, to: 1 | 2 = 1): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: to, sync: true }),
  );
}
