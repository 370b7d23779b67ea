/** A real engine, mount helper and data folder for tests of slots; everything it started is gone afterwards. */
import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEgress, type Egress, type EgressWish } from '../../src/docker/egress.ts';
import { dockerEngine, type Engine } from '../../src/docker/engine.ts';
import { openMountHelper, type MountHelper } from '../../src/docker/mount-helper.ts';
import { nativePrograms } from '../../src/docker/native.ts';
import { removeSlot } from '../../src/docker/slot-removal.ts';
import { startSlot, type Slot, type SlotParts, type SlotSpec } from '../../src/docker/slot.ts';
import {
  jobDirectory,
  writeRequest,
  type JobEnd,
  type StepEnd,
  type StepRequest,
} from '../../src/docker/slot-files.ts';
import { openWorkspaces, type Workspaces } from '../../src/docker/workspace.ts';

export const TEST_IMAGE = 'debian:bookworm-slim';

export interface SlotRig extends AsyncDisposable {
  readonly data: string;
  readonly engine: Engine;
  readonly helper: MountHelper;
  readonly parts: SlotParts;
  readonly workspaces: Workspaces;
  slot(spec?: Partial<SlotSpec>): Promise<Slot>;
  /** Runs one script as a job with its own workspace, from mount to unmount, and returns what was observed. */
  job(slot: Slot, script: string, options?: Partial<JobOptions>): Promise<JobReport>;
}

export interface JobOptions {
  readonly lowers: readonly string[];
  readonly step: Partial<StepRequest>;
  /** Called with the job's number before anything runs. */
  readonly onNumber: (n: number) => void;
  readonly keepMounted: boolean;
}

export interface JobReport {
  readonly n: number;
  readonly step: StepEnd;
  readonly end: JobEnd;
  readonly output: string;
}

/** A test that runs as root without overlays would prove nothing about them, so `mayCopy` must be asked for. */
export async function openSlotRig(wish: EgressWish = { mode: 'restricted', allow: [] }): Promise<SlotRig> {
  const data = await mkdtemp(join(tmpdir(), 'hearth-slots-'));
  const native = await nativePrograms(join(data, 'native'));
  const engine = dockerEngine();
  const helper = openMountHelper(native.mountHelper);
  const workspaces = await openWorkspaces(join(data, 'scratch'), helper);
  const egress: Egress = await openEgress(wish, true);
  const parts = {
    engine,
    helper,
    egress,
    supervisor: native.supervisor,
    root: join(data, 'slots'),
    label: `hearth.data=${data}`,
  };
  const lower = join(data, 'lower');
  await mkdir(lower);
  const image = await engine.image(TEST_IMAGE);
  if (image === undefined) throw new Error(`the image ${TEST_IMAGE} is missing; run \`npm test\`, which makes it`);
  const started: Slot[] = [];
  let next = 1;
  return {
    data,
    engine,
    helper,
    parts,
    workspaces,
    async slot(spec = {}) {
      const full: SlotSpec = {
        repoId: 1,
        trust: 'T1',
        imageId: image.id,
        imageEnv: image.env,
        shmBytes: 64 * 1024 ** 2,
        memoryBytes: null,
        volumes: [],
        copies: false,
        readOnly: false,
        egress: egress.fingerprint,
        ...spec,
      };
      const slot = await startSlot(parts, `t${next++}`, full);
      started.push(slot);
      return slot;
    },
    async job(slot, script, options = {}) {
      const n = slot.nextNumber();
      const mounted = await workspaces.mount(slot, n, options.lowers ?? [lower]);
      if (!mounted.ok) throw new Error(mounted.problem.message);
      await writeRequest(slot.directory, n, 1, { ...plainStep(script), ...options.step });
      options.onNumber?.(n);
      slot.runStep(n, 1);
      const step = await slot.stepEnd(n, 1);
      slot.end(n);
      const end = await slot.ended(n);
      const output = await readFile(join(jobDirectory(slot.directory, n), 'log'), 'utf8');
      if (options.keepMounted !== true) {
        const unmounted = await workspaces.unmount(slot, n);
        if (!unmounted.ok) throw new Error(unmounted.problem.message);
      }
      return { n, step, end, output };
    },
    async [Symbol.asyncDispose]() {
      for (const slot of started) {
        slot.detach();
        await removeSlot(parts, slot.directory, slot.record.containerId);
      }
      await helper[Symbol.asyncDispose]();
      await rm(data, { recursive: true, force: true });
    },
  };
}

export function plainStep(script: string): StepRequest {
  return {
    timeoutMs: 60_000,
    graceMs: 500,
    logBytes: 1024 ** 2,
    uid: 0,
    gid: 0,
    handOver: false,
    workingDirectory: '/work',
    banner: '',
    script,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' },
  };
}
