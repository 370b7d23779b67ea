/** From what is known about an intake to the runs it asks for. Pure. */
import { planValues } from '../core/contexts.ts';
import { expandPipeline, runHeading } from '../core/plan/expand.ts';
import type { Intake } from '../core/intake.ts';
import { error, supersededBy, type Outcome } from '../core/outcome.ts';
import { DEFAULT_IMAGE } from '../core/pipeline/pipeline-file.ts';
import { DEFAULT_SHM_BYTES, NO_PIPELINE, type Pipeline } from '../core/pipeline/pipeline.ts';
import type { IntakePlan, PlannedRun } from '../core/ports.ts';
import { formatProblem, type Problem } from '../core/problem.ts';
import { leavesHead, typeOfEvent } from '../core/pipeline/pull-request-types.ts';
import { failed, success, type Result } from '../core/result.ts';
import { lineOf, type Run, type RunContext } from '../core/run.ts';
import { shown } from '../core/shown.ts';
import { judgeTrigger } from '../core/plan/trigger.ts';
import type { FoundPipeline } from './pipelines.ts';

export type HeadIntake = Intake & { readonly kind: 'head' };

/** The head merged into the base, or why it cannot be. */
export type Merged = Result<NonNullable<RunContext['merge']>, string>;

export function wantsMerge({ eventName }: Pick<HeadIntake, 'eventName'>, { on }: Pick<Pipeline, 'on'>): boolean {
  return eventName === 'pull_request' && on.pull_request?.checkout === 'merge';
}

/** A run for each pipeline that wants the event; a broken file is a run that ended in an error before it began. */
export function planNewest(
  intake: HeadIntake,
  found: readonly FoundPipeline[],
  ends: readonly Run[],
  changed: readonly string[] | null,
  merged: Merged | null = null,
): IntakePlan {
  const notes: string[] = [];
  const runs = found.flatMap(({ name, parsed }): PlannedRun[] => {
    if (!parsed.ok) return [endedRun(intake, name, error('config', brokenMessage(parsed.problem)))];
    const verdict = judgeTrigger(parsed.value.on, intake, changed);
    if (verdict.wanted) return [{ ...plannedOrBroken(intake, parsed.value, merged), standsAlone: isBeside(intake) }];
    if (verdict.by === 'paths') return [{ ...plannedOrBroken(intake, parsed.value, null), leftOut: verdict.why }];
    notes.push(`${name}: ${verdict.why}`);
    return [];
  });
  return { runs, ends: endsFor(ends, intake.sha), note: notes.length > 0 ? notes.join('; ') : null };
}

/** The head is old: what would have run is over, and its commit says so. */
export function planStale(intake: HeadIntake, found: readonly FoundPipeline[], newerSha: string): IntakePlan {
  const runs = found.flatMap(({ parsed }): PlannedRun[] =>
    parsed.ok && !isBeside(intake) && judgeTrigger(parsed.value.on, intake, null).wanted
      ? [endedRun(intake, parsed.value.name, supersededBy(newerSha))]
      : [],
  );
  return { runs, ends: [], note: `superseded by ${newerSha.slice(0, 7)} before it was planned` };
}

/**
 * There is no pipeline file at the commit where they were looked for (`at`). When the default branch has pipelines for this
 * event, theirs is an error: a branch must not turn green by removing them. Otherwise the run is recorded and nothing is sent.
 */
export function planNone(
  intake: HeadIntake,
  onDefaultBranch: readonly FoundPipeline[],
  ends: readonly Run[],
  at = intake.sha,
): IntakePlan {
  const message = `no pipeline file at ${at.slice(0, 7)}`;
  // What came with the head has recorded it.
  if (isBeside(intake)) return { runs: [], ends: [], note: message };
  const expected = onDefaultBranch.filter(
    ({ parsed }) => !parsed.ok || judgeTrigger(parsed.value.on, intake, null).wanted,
  );
  const runs = expected.map(({ name }) => endedRun(intake, name, error('config', message)));
  const unreported = {
    ...endedRun(intake, NO_PIPELINE, { result: 'skipped', reason: 'no_pipeline', message }),
    reported: false,
  };
  return { runs: runs.length > 0 ? runs : [unreported], ends: endsFor(ends, intake.sha), note: message };
}

/** A label or the like asks for runs anew at a head that has had its own. */
function isBeside({ eventName, event }: HeadIntake): boolean {
  return eventName === 'pull_request' && leavesHead(typeOfEvent(event));
}

/** `[skip ci]`: nothing runs, and what runs of older heads goes on, for they are the newest that anybody wants checked. */
export function planSkipped(): IntakePlan {
  return { runs: [], ends: [], note: 'the commit asks to be skipped' };
}

/** The commit could not be had, so not even its pipelines are known. */
export function planTrouble(intake: HeadIntake, outcome: Outcome): IntakePlan {
  return { runs: [endedRun(intake, NO_PIPELINE, outcome)], ends: [], note: outcome.message };
}

/** A closed pull request ends its own runs; a deleted branch ends all runs of its line. */
export function planGone(intake: Intake & { readonly kind: 'gone' }, live: readonly Run[]): IntakePlan {
  const line = lineOf(intake.headRepoId, intake.headRef, intake.prNumber);
  const ends = live.filter(
    (run) =>
      run.repo.id === intake.repo.id &&
      (intake.prNumber === null
        ? run.line === line
        : run.eventName === 'pull_request' && run.prNumber === intake.prNumber),
  );
  const outcome: Outcome = { result: 'cancelled', reason: 'cancelled_by', message: `cancelled: ${intake.because}` };
  return { runs: [], ends: ends.map((run) => ({ run: run.id, outcome })), note: intake.because };
}

/** Where the head of an intake is asked for: a fork's branch is not in the base repository, its pull request is. */
export function refToAsk(intake: Intake): string {
  const isFork = intake.prNumber !== null && intake.headRepoId !== intake.repo.id;
  return isFork ? `refs/pull/${intake.prNumber}/head` : intake.headRef;
}

function endsFor(runs: readonly Run[], sha: string): IntakePlan['ends'] {
  return runs.map((run) => ({ run: run.id, outcome: supersededBy(sha) }));
}

function plannedOrBroken(intake: HeadIntake, pipeline: Pipeline, merged: Merged | null): PlannedRun {
  const isMerged = merged !== null && wantsMerge(intake, pipeline);
  if (isMerged && !merged.ok) return endedRun(intake, pipeline.name, error('config', merged.problem));
  const merge = isMerged && merged.ok ? { merge: merged.value } : {};
  const planned = plannedRun({ ...intake, ...merge }, pipeline);
  return planned.ok ? planned.value : endedRun(intake, pipeline.name, error('config', brokenMessage(planned.problem)));
}

/** The problems are those that show only with the values of this event, such as a matrix that an expression gives. */
export function plannedRun(
  intake: HeadIntake & Pick<RunContext, 'merge'>,
  pipeline: Pipeline,
  inputs: RunContext['inputs'] = {},
): Result<PlannedRun, readonly Problem[]> {
  const { merge } = intake;
  const bare = merge === undefined ? bareRun(intake, pipeline.name) : mergedRun(bareRun(intake, pipeline.name), merge);
  const context = { ...bare.context, inputs, sidecar: pipeline.sidecar, caches: pipeline.caches, vars: pipeline.vars };
  const values = planValues({ ...bare, id: null }, context);
  const heading = runHeading(pipeline, values);
  const jobs = expandPipeline(pipeline, values);
  if (!heading.ok || !jobs.ok)
    return failed([...(heading.ok ? [] : heading.problem), ...(jobs.ok ? [] : jobs.problem)]);
  return success({ ...bare, ...heading.value, context, jobs: jobs.value });
}

export function endedRun(intake: HeadIntake, pipeline: string, outcome: Outcome): PlannedRun {
  return { ...bareRun(intake, pipeline), outcome };
}

function bareRun(intake: HeadIntake, pipeline: string): PlannedRun {
  const { repo, sha, eventName, trust, prNumber, headRef, baseRef, actor } = intake;
  const ref = prNumber === null ? headRef : `refs/pull/${prNumber}/head`;
  return {
    pipeline,
    title: pipeline,
    concurrency: null,
    repo,
    sha,
    ref,
    prNumber,
    eventName,
    trust,
    line: lineOf(intake.headRepoId, headRef, prNumber),
    context: {
      sidecar: { kind: 'image', image: DEFAULT_IMAGE, shmBytes: DEFAULT_SHM_BYTES },
      caches: {},
      refName: shortRef(ref),
      headRef: prNumber === null ? null : shortRef(headRef),
      baseRef,
      actor,
      event: intake.event,
      inputs: {},
      vars: {},
    },
    jobs: [],
    outcome: null,
    leftOut: null,
    reported: true,
  };
}

/** Its statuses go to the head all the same. */
function mergedRun(run: PlannedRun, merge: NonNullable<RunContext['merge']>): PlannedRun {
  const ref = `refs/pull/${run.prNumber}/merge`;
  return { ...run, ref, context: { ...run.context, refName: shortRef(ref), merge } };
}

function shortRef(ref: string): string {
  return ref.replace(/^refs\/(?:heads|tags|pull)\//, '');
}

const SHOWN_PROBLEMS = 20;

/** The first problem comes first: a status has room for one. */
export function brokenMessage(problems: readonly Problem[]): string {
  const lines = problems
    .slice(0, SHOWN_PROBLEMS)
    .map((problem) =>
      formatProblem({ ...problem, ...(problem.file === undefined ? {} : { file: shown(problem.file) }) }),
    );
  const more = problems.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more: run "hearth lint"`] : [])].join('\n');
}
