/**
 * Workspaces of failed jobs, kept for a while so that somebody can look into them. Only what the job changed is kept, with
 * the names of the layers that it was stacked on; a shell stacks both again, below a scratch of its own.
 */
import { mkdir, rename, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { isErrno } from '../core/errno.ts';
import { keptToRemove, sumOf, type KeptLimits } from '../core/kept.ts';
import { envWithoutSecrets, type StepsOf } from '../core/steps.ts';
import { allKept, GONE, keptFolder, readJson, writeKept } from './kept-folder.ts';
import { bootId } from './process-identity.ts';
import { removeTree } from './remove-tree.ts';
import { LOWERS } from './workspace.ts';
import type { SlotSpec } from './slot-container.ts';

/** Where the workspace shall be moved when it is unmounted; absent = it is not kept. Notes are for the log. */
export interface Keeping {
  readonly at?: string;
  readonly notes: string;
}

export const NOT_KEPT: Keeping = { notes: '' };

export interface Kept {
  /**
   * Called when a job has failed and its workspace is still there, whose scratch folder is given; undefined where workspaces
   * are copies. Makes room. Takes a few seconds at most, never rejects, and may be repeated.
   */
  prepare(of: StepsOf, spec: SlotSpec, scratch: string | undefined): Promise<Keeping>;
  /** Removes what is too old, of an earlier boot, or too much, but for what a shell is open in. May be repeated. */
  prune(): Promise<void>;
  /** As the last look found them. */
  counts(): { readonly workspaces: number; readonly bytes: number };
}

/** Longest time that a failed job waits for its workspace to be measured. */
const MEASURE_MS = 5_000;
const MIN_FREE = 0.05;

/** `onError` hears what kept a workspace from being kept; the job that it belongs to goes on without. */
export function openKept(
  root: string,
  limits: KeptLimits,
  { now, onError }: { readonly now: () => Date; readonly onError: (error: unknown) => void },
): Kept {
  let tail: Promise<void> = Promise.resolve();
  let counted = { workspaces: 0, bytes: 0 };

  async function makeRoom(wanted: number): Promise<void> {
    const found = await allKept(root);
    const isScarce = await isDiskScarce(root);
    const over = keptToRemove(found, limits, { now: now().getTime(), wanted, isScarce });
    for (const { path } of over) await remove(path);
    const rest = found.filter((one) => !over.includes(one));
    counted = { workspaces: rest.length, bytes: sumOf(rest) };
  }

  /** One at a time, for two would remove the same folder. */
  function makeRoomInTurn(wanted: number): Promise<void> {
    const turn = tail.then(() => makeRoom(wanted));
    tail = turn.catch(() => undefined); // the caller of this turn hears of it
    return turn;
  }

  async function prepare(of: StepsOf, spec: SlotSpec, scratch: string): Promise<Keeping> {
    const lowers = await readJson<readonly string[]>(join(scratch, LOWERS));
    // An earlier process moved it already.
    if (lowers === undefined) return NOT_KEPT;
    const bytes = await measure(join(scratch, 'u'));
    if (bytes === undefined) return refusal('it takes too long to measure');
    if (bytes > limits.bytes) return refusal(`it takes ${bytes} bytes, and HEARTH_KEPT_BYTES is ${limits.bytes}`);
    if (await isDiskScarce(scratch)) return refusal('the disk is nearly full');
    await makeRoomInTurn(bytes);
    const at = join(root, keptFolder(of.run, { runId: of.run.id, jobId: of.job.id, attempt: of.job.attempt }));
    await mkdir(dirname(at), { recursive: true, mode: 0o700 });
    await writeKept(scratch, { bytes, bootId: bootId(), spec, lowers, env: envWithoutSecrets(of) });
    return { at, notes: '' };
  }

  return {
    async prepare(of, spec, scratch) {
      if (scratch === undefined || limits.bytes === 0) return NOT_KEPT;
      try {
        return await prepare(of, spec, scratch);
      } catch (cause) {
        // What the job did is known and must not depend on this.
        onError(cause);
        return refusal("the daemon's log says why");
      }
    },
    prune: () => makeRoomInTurn(0),
    counts: () => counted,
  };
}

/** Under its name it is whole or not there, also when this process dies now. */
async function remove(path: string): Promise<void> {
  const gone = path.endsWith(GONE) ? path : `${path}${GONE}`;
  if (gone !== path) await rename(path, gone);
  await removeTree(gone);
}

function refusal(why: string): Keeping {
  return { notes: `hearth: the workspace is not kept for \`hearth shell\`: ${why}\n` };
}

async function isDiskScarce(folder: string): Promise<boolean> {
  try {
    const { bavail, blocks } = await statfs(folder);
    return bavail < blocks * MIN_FREE;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** undefined when it takes too long. */
async function measure(folder: string): Promise<number | undefined> {
  const measured = await execa('du', ['-s', '--block-size=1', '--', folder], {
    ...{ reject: false, stdin: 'ignore', timeout: MEASURE_MS },
  });
  if (measured.timedOut) return undefined;
  const bytes = Number(/^\d+/.exec(measured.stdout)?.[0] ?? Number.NaN);
  if (measured.failed || Number.isNaN(bytes))
    throw new Error(`du: ${measured.stderr || (measured.shortMessage ?? '')}`);
  return bytes;
}
