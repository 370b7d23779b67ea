/** The daemon's own log: JSON lines on standard output, for journald. Job output is never in it. */
import { pino, type Logger } from 'pino';

export type Log = Logger;

/** The message is fixed text; what varies goes into fields. Secrets are wrapped (core/secret.ts) and show as `[secret]`. */
export function createLog(level: string): Log {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
