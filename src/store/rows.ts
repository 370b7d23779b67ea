/** Rows to the words of core/, the one place that knows both. What is read here was written by the store itself. */
import type { Intake, IntakeRequest } from '../core/intake.ts';
import type { Job, JobOrigin } from '../core/job.ts';
import type { Evidence, Outcome } from '../core/outcome.ts';
import type { Concurrency, JobSpec } from '../core/pipeline/pipeline.ts';
import type { OutgoingStatus, StoreCounts } from '../core/ports.ts';
import type { Capacity } from '../core/resources.ts';
import type { PastAttempt } from '../core/schedule/retry.ts';
import type { ConfigSource, Run, RunContext } from '../core/run.ts';
import type { IntakeRow, JobRow, RunRow, StatusRow, WorkerRow } from './schema.ts';

export function runOf(row: RunRow): Run {
  return {
    id: row.id,
    repo: { id: row.repo_id, owner: row.repo_owner, name: row.repo_name },
    sha: row.sha,
    ref: row.ref,
    line: row.line,
    prNumber: row.pr_number,
    eventName: row.event_name,
    trust: row.trust,
    pipeline: row.pipeline,
    title: row.title || row.pipeline,
    state: row.state,
    concurrency: row.concurrency === null ? null : (JSON.parse(row.concurrency) as Concurrency),
    outcome: outcomeOf(row.outcome),
    ending: outcomeOf(row.ending),
    config: row.config === null ? null : (JSON.parse(row.config) as ConfigSource),
    approval: row.approved_by === null ? null : { by: row.approved_by, at: new Date(row.approved_at ?? 0) },
    createdAt: new Date(row.created_at),
    finishedAt: dateOf(row.finished_at),
    rerunOf: row.rerun_of,
  };
}

export function contextOf(row: Pick<RunRow, 'context'>): RunContext {
  return JSON.parse(row.context) as RunContext;
}

export function jobOf(row: JobRow): Job {
  // Older versions did not write these two.
  const spec = { priority: 0, resources: null, ...(JSON.parse(row.spec) as Partial<JobSpec>) } as JobSpec;
  return {
    id: row.id,
    runId: row.run_id,
    name: row.name,
    // JSON drops keys that are undefined; here they are part of the shape.
    spec: { ...spec, needs: spec.needs, phase: spec.phase },
    waitsFor: JSON.parse(row.waits_for) as string[],
    state: row.state,
    outcome: outcomeOf(row.outcome),
    evidence: row.evidence === null ? null : (JSON.parse(row.evidence) as Evidence),
    outputs: JSON.parse(row.outputs) as Record<string, string>,
    published: row.published === null ? [] : (JSON.parse(row.published) as string[]),
    ending: outcomeOf(row.stop),
    history: JSON.parse(row.history) as PastAttempt[],
    attempt: row.attempt,
    worker: row.worker,
    leaseUntil: dateOf(row.lease_until),
    timings: {
      queuedAt: dateOf(row.queued_at),
      claimedAt: dateOf(row.claimed_at),
      startedAt: dateOf(row.started_at),
      finishedAt: dateOf(row.finished_at),
    },
    origin: row.origin === null ? null : (JSON.parse(row.origin) as JobOrigin),
  };
}

export function intakeOf(row: IntakeRow): Intake {
  return {
    ...(JSON.parse(row.request) as IntakeRequest),
    id: row.id,
    deliveryId: row.delivery_id,
    receivedAt: new Date(row.received_at),
    tries: row.tries,
  };
}

export function statusOf(
  row: StatusRow & Pick<RunRow, 'repo_owner' | 'repo_name'> & { readonly workflow_url: string | null },
): OutgoingStatus {
  return {
    id: row.id,
    version: row.version,
    repo: { id: row.repo_id, owner: row.repo_owner, name: row.repo_name },
    sha: row.sha,
    runId: row.run_id,
    job: row.job,
    workflowUrl: row.workflow_url,
    context: row.context,
    state: row.state,
    description: row.description,
    rank: row.rank,
    failures: row.failures,
    desiredAt: new Date(row.desired_at),
  };
}

export function workerOf(row: WorkerRow): StoreCounts['workers'][number] {
  return {
    id: row.id,
    slots: row.slots,
    details: JSON.parse(row.details) as Record<string, unknown>,
    leaseUntil: new Date(row.lease_until),
    ...(row.platform === null ? {} : { platform: row.platform }),
    ...(row.labels === null ? {} : { labels: JSON.parse(row.labels) as readonly string[] }),
    ...(row.capacity === null ? {} : { capacity: JSON.parse(row.capacity) as Capacity }),
  };
}

export function outcomeOf(json: string | null): Outcome | null {
  return json === null ? null : (JSON.parse(json) as Outcome);
}

export function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}

/** The columns that say how something ended; both runs and jobs have them. */
export function endColumns(outcome: Outcome, at: Date) {
  return {
    state: 'finished' as const,
    result: outcome.result,
    outcome: JSON.stringify(outcome),
    finished_at: at.getTime(),
  };
}
