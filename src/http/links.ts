/** Links that may be read by whoever has them: each carries an HMAC for one run and is good for 30 days. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ArtifactOf } from '../core/artifact.ts';
import type { RunId } from '../core/job.ts';
import type { Clock, OutgoingStatus } from '../core/ports.ts';
import type { Run } from '../core/run.ts';

export interface Links {
  /** Where a status on GitHub leads: to the workflow's own page where one stands for the job; null without a public URL. */
  statusTarget(status: Pick<OutgoingStatus, 'runId' | 'sha' | 'job' | 'workflowUrl'>): string | null;
  /** The log of one job. Absolute when there is a public URL, else a path. */
  jobLog(run: Pick<Run, 'id' | 'sha'>, job: string): string;
  /** The archive of an artifact, likewise. */
  artifact(run: Pick<Run, 'id'>, artifact: Pick<ArtifactOf, 'job' | 'name'>): string;
  /** The logs of all jobs of a run, likewise. */
  runLog(run: Pick<Run, 'id' | 'sha'>): string;
  /** The run that a token (`?t=`) lets its bearer read, or undefined when it is wrong or too old. */
  runOfToken(token: string): RunId | undefined;
}

export interface LinkOptions {
  readonly publicUrl: string | null;
  /** At least 32 random bytes that outlive the process; whoever has them can read every log. */
  readonly key: Uint8Array;
  readonly clock: Clock;
}

const LIFETIME_MS = 30 * 86_400_000;

export function createLinks({ publicUrl, key, clock }: LinkOptions): Links {
  const macOf = (run: RunId, until: number): Buffer =>
    createHmac('sha256', key).update(`hearth read ${run} ${until}`).digest();

  function query(run: RunId): string {
    const until = Math.floor((clock.now().getTime() + LIFETIME_MS) / 1000);
    return `?t=${run}.${until}.${macOf(run, until).toString('base64url')}`;
  }
  const runPath = (run: Pick<Run, 'id' | 'sha'>): string => `/logs/${run.sha}${query(run.id)}`;
  const jobPath = (run: Pick<Run, 'id' | 'sha'>, job: string): string =>
    `/logs/${run.sha}/${encodeURIComponent(job)}${query(run.id)}`;

  return {
    statusTarget({ runId, sha, job, workflowUrl }) {
      if (workflowUrl !== null) return workflowUrl;
      const run = { id: runId, sha };
      return publicUrl === null ? null : `${publicUrl}${job === null ? runPath(run) : jobPath(run, job)}`;
    },
    jobLog: (run, job) => `${publicUrl ?? ''}${jobPath(run, job)}`,
    artifact: ({ id }, { job, name }) =>
      `${publicUrl ?? ''}/api/v1/runs/${id}/artifacts/${encodeURIComponent(job)}/${encodeURIComponent(name)}${query(id)}`,
    runLog: (run) => `${publicUrl ?? ''}${runPath(run)}`,
    runOfToken(token) {
      const parts = /^(?<run>[1-9]\d{0,14})\.(?<until>\d{1,12})\.(?<mac>[\w-]{43})$/.exec(token)?.groups;
      if (parts === undefined) return undefined;
      const run = Number(parts['run']);
      const until = Number(parts['until']);
      const mac = Buffer.from(parts['mac'] ?? '', 'base64url');
      const isGenuine = timingSafeEqual(mac, macOf(run, until));
      return isGenuine && until * 1000 >= clock.now().getTime() ? run : undefined;
    },
  };
}
