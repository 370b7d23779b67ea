/**
 * A slot: a container started in advance whose supervisor waits for orders. It belongs to one repository, trust class
 * and image, and runs one job at a time.
 */
import { closeSync, writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { weightFault } from './cgroup.ts';
import type { Egress } from './egress.ts';
import type { Engine } from './engine.ts';
import type { MountHelper, ProcessIdentity } from './mount-helper.ts';
import { bootId, identityOf, isAlive } from './process-identity.ts';
import { safeRead } from './safe-read.ts';
import { slotArgs, type SlotSpec } from './slot-container.ts';
import * as files from './slot-files.ts';

export type { SlotSpec } from './slot-container.ts';

/** Written as slot.json once the slot is ready; a slot without it was never finished. */
export interface SlotRecord {
  readonly id: string;
  readonly spec: SlotSpec;
  readonly containerId: string;
  readonly containerStartedAt: string;
  readonly process: ProcessIdentity;
  readonly bootId: string;
  /** Why its jobs may take processor time from the daemon; null = they have less weight. */
  readonly weightFault?: string | null;
}

export interface Slot {
  readonly id: string;
  readonly directory: string;
  readonly record: SlotRecord;
  /** The next free job number. */
  nextNumber(): number;
  /** Starts step k of job n. Resending is harmless. */
  runStep(n: number, k: number): void;
  /** The same, but its process waits for `go`. Resending either is harmless. */
  holdStep(n: number, k: number): void;
  go(n: number, k: number): void;
  /** TERM to every process of the job, KILL after the grace. */
  stop(n: number, graceMs: number): void;
  /** Ends the job: when `ended` resolves, nothing of it is left. */
  end(n: number): void;
  /** Resolve when the files say so; reject with SlotLost when the supervisor is gone, or with the signal's reason. */
  started(n: number, k: number, signal?: AbortSignal): Promise<void>;
  /** Pid, as the slot's PID 1 sees it, of the process that waits for `go`; null when the step is over already. */
  held(n: number, k: number, signal?: AbortSignal): Promise<number | null>;
  stepEnd(n: number, k: number, signal?: AbortSignal): Promise<files.StepEnd>;
  ended(n: number, signal?: AbortSignal): Promise<files.JobEnd>;
  /** Calls back whenever the job's raw log may have grown. Returns the function that ends this. */
  onLog(n: number, listener: () => void): () => void;
  isAlive(): boolean;
  /** Lets go of the slot without touching the container. */
  detach(): void;
}

export class SlotLost extends Error {
  override readonly name = 'SlotLost';
}

export interface SlotParts {
  readonly engine: Engine;
  readonly helper: MountHelper | undefined;
  readonly egress: Egress;
  readonly supervisor: string;
  /** `slots/` under the data folder. */
  readonly root: string;
  /** Label that marks containers of this data folder and of no other Hearth on the machine. */
  readonly label: string;
}

const LOST_CHECK_MS = 500;
const UP_TIMEOUT_MS = 60_000;

/** Starts a container and resolves when its supervisor is ready and sealed. Leaves nothing behind when it fails. */
export async function startSlot(parts: SlotParts, id: string, spec: SlotSpec): Promise<Slot> {
  const directory = join(parts.root, id);
  const workspace = join(directory, 'work');
  await mkdir(join(directory, 'jobs'), { recursive: true, mode: 0o700 });
  if (spec.copies) await mkdir(workspace, { mode: 0o755 });
  await execa('mkfifo', ['-m', '600', join(directory, 'ctl'), join(directory, 'done')], { stdin: 'ignore' });
  let containerId: string | undefined;
  try {
    containerId = await parts.engine.run(slotArgs(parts, id, directory, spec));
    await waitUntilUp(parts.engine, containerId, directory);
    const container = await parts.engine.container(containerId);
    const process = container?.running === true ? identityOf(container.pid) : undefined;
    if (container === undefined || process === undefined)
      throw new SlotLost('its container ended right after it started');
    if (!spec.copies) {
      const sealed = await parts.helper?.seal(process);
      if (sealed?.ok !== true)
        throw new Error(`the slot could not be sealed: ${sealed?.problem.message ?? 'no mount helper'}`);
    }
    await parts.egress.restrict(process, { resolvConf: container.resolvConf });
    const record = {
      ...{ id, spec, containerId, containerStartedAt: container.startedAt, process, bootId: bootId() },
      weightFault: await weightFault(process.pid),
    };
    await files.writeWhole(join(directory, 'slot.json'), JSON.stringify(record));
    return openSlot(directory, record, 1);
  } catch (error) {
    if (containerId !== undefined) await parts.engine.remove([containerId]);
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Finds a slot that an earlier process left, if its supervisor is still the same process; otherwise undefined. */
export async function reattachSlot(directory: string): Promise<Slot | undefined> {
  const record = await readRecord(directory);
  if (record === undefined || record.bootId !== bootId() || !isAlive(record.process)) return undefined;
  const used = await files.jobNumbers(directory);
  return openSlot(directory, record, (used.at(-1) ?? 0) + 1);
}

/** A file that a power cut left empty or half written says as little as none. */
export function parseRecord(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function readRecord(directory: string): Promise<SlotRecord | undefined> {
  const text = await safeRead(join(directory, 'slot.json'), 1024 ** 2);
  return text === undefined ? undefined : (parseRecord(text.toString('utf8')) as SlotRecord | undefined);
}

/** Its own notice channel is not open yet, so the file is looked at; a start takes hundreds of milliseconds. */
async function waitUntilUp(engine: Engine, containerId: string, directory: string): Promise<void> {
  const deadline = performance.now() + UP_TIMEOUT_MS;
  for (let looks = 1; (await safeRead(join(directory, 'up'), 16)) === undefined; looks++) {
    if (performance.now() > deadline) throw new SlotLost('its supervisor did not report within a minute');
    const container = looks % 50 === 0 ? await engine.container(containerId) : undefined;
    if (container?.running === false) throw new SlotLost('its container ended right after it started');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function openSlot(directory: string, record: SlotRecord, firstNumber: number): Slot {
  const ctl = files.openPipe(join(directory, 'ctl'));
  const notices = new Socket({ fd: files.openPipe(join(directory, 'done')), readable: true, writable: false });
  const listeners = new Set<(notice: string) => void>();
  const lines = createInterface({ input: notices });
  lines.on('line', (notice) => {
    for (const listener of [...listeners]) listener(notice);
  });
  let next = firstNumber;
  let open = true;

  const alive = (): boolean => open && isAlive(record.process);
  const send = (order: string): void => {
    if (open) writeSync(ctl, `${order}\n`);
  };

  /** The files are the truth; a notice, and now and then the timer, only say when to look. */
  function when<T>(notice: string, look: () => Promise<T | undefined>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        listeners.delete(onNotice);
        clearInterval(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const check = (): void => {
        const wasAlive = alive();
        look().then(
          (value) => {
            if (value !== undefined)
              finish(() => {
                resolve(value);
              });
            else if (!wasAlive)
              finish(() => {
                reject(new SlotLost("the slot's container is gone"));
              });
          },
          (cause: unknown) => {
            finish(() => {
              reject(new Error('a file of the slot cannot be read', { cause }));
            });
          },
        );
      };
      const onNotice = (said: string): void => {
        if (said === notice) check();
      };
      const onAbort = (): void => {
        finish(() => {
          reject(signal?.reason as Error);
        });
      };
      listeners.add(onNotice);
      const timer = setInterval(check, LOST_CHECK_MS);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
      check();
    });
  }

  return {
    id: record.id,
    directory,
    record,
    nextNumber: () => next++,
    runStep: (n, k) => {
      send(`run ${n} ${k}`);
    },
    holdStep: (n, k) => {
      send(`hold ${n} ${k}`);
    },
    go: (n, k) => {
      send(`go ${n} ${k}`);
    },
    stop: (n, graceMs) => {
      send(`stop ${n} ${Math.ceil(graceMs)}`);
    },
    end: (n) => {
      send(`end ${n}`);
    },
    started: (n, k, signal) =>
      when(
        `started ${n} ${k}`,
        async () => ((await files.stepStarted(directory, n, k)) ? null : undefined),
        signal,
      ).then(() => undefined),
    held: (n, k, signal) => when(`held ${n} ${k}`, () => files.readHeld(directory, n, k), signal),
    stepEnd: (n, k, signal) => when(`rc ${n} ${k}`, () => files.readStepEnd(directory, n, k), signal),
    ended: (n, signal) => when(`end ${n}`, () => files.readJobEnd(directory, n), signal),
    onLog(n, listener) {
      const onNotice = (said: string): void => {
        if (said === `log ${n}`) listener();
      };
      listeners.add(onNotice);
      return () => listeners.delete(onNotice);
    },
    isAlive: alive,
    detach() {
      if (!open) return;
      open = false;
      lines.close();
      notices.destroy();
      closeSync(ctl);
    },
  };
}
