import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { JobLogWriter } from '../../src/core/ports.ts';
import { createMasker } from '../../src/core/secrets/mask.ts';
import { needlesOf } from '../../src/core/secrets/needles.ts';
import { maskedLog } from '../../src/docker/masked-log.ts';

/** A log in memory; `isFull` is what a disk without space does. */
function memoryLog(before = '', isFull = () => false) {
  let text = before;
  const log: JobLogWriter = {
    get bytes() {
      return Buffer.byteLength(text);
    },
    async append(chunk) {
      await Promise.resolve();
      if (isFull()) throw new Error('ENOSPC');
      text += Buffer.from(chunk).toString();
    },
    finish: () =>
      Promise.resolve({ sha256: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) }),
    close: () => Promise.resolve(),
  };
  return { log, text: () => text };
}

const masker = (): ReturnType<typeof createMasker> => createMasker(needlesOf('hunter2-hunter2'));

describe('what a command on the host says', () => {
  it('is in the log in its order, and a secret that comes in two pieces is masked', async () => {
    const { log, text } = memoryLog();
    const out = maskedLog(log, masker(), 1000);
    for (const part of ['one\n', 'it is hunter2', '-hunter2!\n', 'end\n']) out.say(part);
    const { droppedBytes, bytes } = await out.finish();
    expect(text()).toBe('one\nit is ***!\nend\n');
    expect([droppedBytes, bytes]).toEqual([0, text().length]);
  });

  it('past the cap of the log is dropped and counted, with what was in the log before', async () => {
    const { log, text } = memoryLog('before\n');
    const out = maskedLog(log, masker(), 20);
    for (let n = 0; n < 10; n++) out.say('0123456789');
    expect((await out.finish()).droppedBytes).toBe(87);
    expect(text()).toBe('before\n0123456789012\nhearth: 87 bytes of output were dropped past the cap of 20 bytes\n');
  });

  it('that could not be written is told at the end, and not before', async () => {
    const { log } = memoryLog('', () => true);
    const out = maskedLog(log, masker(), 1000);
    out.say('x\n');
    await expect(out.finish()).rejects.toThrow('ENOSPC');
    const other = maskedLog(log, masker(), 1000);
    other.say('x\n');
    await expect(other.letGo()).resolves.toBeUndefined();
  });
});
