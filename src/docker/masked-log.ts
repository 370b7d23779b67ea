/** What a command on the host says, on its way into a job's log: masked, bounded, in order. */
import type { JobLogWriter } from '../core/ports.ts';
import type { Masker } from './raw-log.ts';

export interface MaskedLog {
  /** Never rejects and never waits; past the cap what is said is dropped and counted. */
  say(text: string): void;
  /** Puts the end on it. Rejects with the first write that failed. Once. */
  finish(): Promise<{ readonly sha256: string; readonly bytes: number; readonly droppedBytes: number }>;
  /** What was said is in the log as far as it could be written. Never rejects. */
  letGo(): Promise<void>;
}

export function maskedLog(log: JobLogWriter, masker: Masker, capBytes: number): MaskedLog {
  let leftBytes = Math.max(0, capBytes - log.bytes);
  let droppedBytes = 0;
  let tail = Promise.resolve();
  let fault: { readonly cause: unknown } | undefined;

  function append(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, leftBytes);
    leftBytes -= kept.length;
    droppedBytes += bytes.length - kept.length;
    if (kept.length === 0) return;
    tail = tail.then(() => write(kept));
  }

  /** After a write that failed the rest is left out: it would stand behind a gap. */
  async function write(bytes: Uint8Array): Promise<void> {
    if (fault !== undefined) return;
    try {
      await log.append(bytes);
    } catch (cause) {
      fault = { cause };
    }
  }

  return {
    say: (text) => {
      append(masker.push(Buffer.from(text)));
    },
    async finish() {
      append(masker.flush());
      await tail;
      if (fault !== undefined) throw fault.cause;
      const dropped = `\nhearth: ${droppedBytes} bytes of output were dropped past the cap of ${capBytes} bytes\n`;
      if (droppedBytes > 0) await log.append(Buffer.from(dropped));
      return { ...(await log.finish()), droppedBytes };
    },
    async letGo() {
      append(masker.flush());
      await tail;
    },
  };
}
