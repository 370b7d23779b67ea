/** The planner: turns intakes into runs. Reads the commit's pipelines from the mirror, asks pure code, writes one plan. */
import PQueue from 'p-queue';
import type { Intake } from './core/intake.ts';
import { error, type Outcome } from './core/outcome.ts';
import type { Clock, ForgeTrouble, Git, GitTrouble, IntakePlan, People, Store } from './core/ports.ts';
import { failed, success, type Result } from './core/result.ts';
import { fullName, type Run } from './core/run.ts';
import { judgeLine } from './core/schedule/supersede.ts';
import { planApproval, type ApprovalIntake } from './planner/approval.ts';
import { planAsked, type AskedIntake } from './planner/asked.ts';
import { readConfig, withSource, type FoundConfig } from './planner/config-source.ts';
import { mergedForm } from './planner/merge.ts';
import { readPipelines, type FoundPipeline } from './planner/pipelines.ts';
import { timetableOf } from './planner/timetable.ts';
import { asksForPaths, asksToSkip } from './core/plan/trigger.ts';
import { textAt } from './core/event.ts';
import {
  planGone,
  planNewest,
  planNone,
  planSkipped,
  planStale,
  planTrouble,
  refToAsk,
  type HeadIntake,
} from './planner/plan.ts';

export interface PlannerParts {
  readonly store: Store;
  readonly git: Git;
  /** Who may approve. */
  readonly people: People;
  readonly clock: Clock;
  /** Runs were made or ended: the scheduler and the reporter should look. */
  readonly onChange: () => void;
  readonly log: PlannerLog;
}

export interface PlannerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

type Step =
  { readonly plan: IntakePlan } | { readonly retryInMs: number; readonly why: string; readonly cause?: unknown };

const BATCH = 100;
const REPOSITORIES_AT_ONCE = 4;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 10 * 60_000;
const GIVE_UP_AFTER_MS = 24 * 60 * 60_000;
/** GitHub's replicas may know a push a moment later than its webhook says so. */
const TRIES_FOR_MISSING = 3;

/**
 * Makes the planner's tick, for a loop. It plans all intakes that are due, in order of receipt within a repository, several repositories at once.
 * Trouble with one repository does not stop the others; when the store itself fails, the tick rejects at its end.
 */
export function createPlanner(parts: PlannerParts): (signal: AbortSignal) => Promise<void> {
  return (signal) => planOnce(parts, signal);
}

async function planOnce(parts: PlannerParts, signal: AbortSignal): Promise<void> {
  let isWorking = true;
  while (isWorking && !signal.aborted) {
    const intakes = await parts.store.unplannedIntakes(parts.clock.now(), BATCH);
    const queue = new PQueue({ concurrency: REPOSITORIES_AT_ONCE });
    const groups = [...Map.groupBy(intakes, (intake) => intake.repo.id).values()];
    const results = await Promise.allSettled(groups.map((group) => queue.add(() => planInOrder(parts, group, signal))));
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) throw new AggregateError(failures, 'the store did not take what was planned');
    isWorking = intakes.length === BATCH;
  }
}

/** When one has to wait, those behind it wait too: a close must not overtake the push before it. */
async function planInOrder(parts: PlannerParts, intakes: readonly Intake[], signal: AbortSignal): Promise<void> {
  let waiting: { readonly until: Date; readonly why: string } | undefined;
  for (const intake of intakes) {
    if (signal.aborted) return;
    if (waiting) {
      await parts.store.postponeIntake(intake, waiting.until, waiting.why);
      continue;
    }
    const step = await planSafely(parts, intake, signal);
    const now = parts.clock.now();
    if ('plan' in step) {
      const runs = await parts.store.applyPlan(intake, step.plan, now);
      const { repo, eventName } = intake;
      const ended = step.plan.ends.map(({ run }) => run);
      parts.log.info(
        { repo: fullName(repo), event: eventName, runs, ended, reason: step.plan.note },
        'an event was planned',
      );
      if (runs.length > 0 || ended.length > 0) parts.onChange();
    } else {
      const until = new Date(now.getTime() + step.retryInMs);
      await parts.store.postponeIntake(intake, until, step.why);
      parts.log.warn(
        { intake: intake.id, repo: fullName(intake.repo), reason: step.why, retryAt: until, err: step.cause },
        'an event is planned later',
      );
      // A comment that cannot be judged yet must not hold back what people push.
      if (intake.kind === 'approval') continue;
      waiting = { until, why: `waits for an earlier event of the repository: ${step.why}` };
    }
  }
}

/** A bug or a lost system while planning is trouble that may pass, like a lost network. */
async function planSafely(parts: PlannerParts, intake: Intake, signal: AbortSignal): Promise<Step> {
  try {
    return await planIntake(parts, intake, signal);
  } catch (cause) {
    const why = `planning failed: ${cause instanceof Error ? cause.message : String(cause)}`;
    return retry(parts, intake, why, () => ({ plan: emergencyPlan(intake, why) }), cause);
  }
}

async function planIntake(parts: PlannerParts, intake: Intake, signal: AbortSignal): Promise<Step> {
  if (intake.kind === 'head') return planHead(parts, intake);
  if (intake.kind === 'asked') {
    const plan = await planAsked(parts.git, intake, parts.clock.now());
    return plan.ok ? { plan: plan.value } : stepFor(parts, intake, plan.problem);
  }
  if (intake.kind === 'approval') {
    const note = await planApproval(parts, intake, signal);
    return note.ok ? { plan: { runs: [], ends: [], note: note.value } } : notApprovedYet(parts, intake, note.problem);
  }
  const { live } = await parts.store.lineOfIntake(intake);
  return { plan: planGone(intake, live) };
}

/** A forge that cannot be asked is no yes; it is asked again when it allows that. */
function notApprovedYet(parts: PlannerParts, intake: ApprovalIntake, { message, retryAt }: ForgeTrouble): Step {
  const step = retry(parts, intake, message, (waited) => ({
    plan: { runs: [], ends: [], note: `Refused: gave up after ${waited}: ${message}` },
  }));
  const notBefore = retryAt === undefined ? 0 : retryAt.getTime() - parts.clock.now().getTime();
  return 'plan' in step ? step : { ...step, retryInMs: Math.max(step.retryInMs, notBefore) };
}

async function planHead(parts: PlannerParts, intake: HeadIntake): Promise<Step> {
  const { store, git } = parts;
  const { repo, sha } = intake;
  const fetched = await git.fetch({ repo, sha, ref: refToAsk(intake) });
  if (!fetched.ok) return stepFor(parts, intake, fetched.problem);
  const { newestSeen, live } = await store.lineOfIntake(intake);
  const verdict = judgeLine(intake, fetched.value.head, newestSeen, live);
  if (verdict.kind === 'stale') {
    // Nothing newer was received: perhaps GitHub answered from a replica that does not know this push yet. Ask again once.
    const isNewestReceived = newestSeen === null || newestSeen.id <= intake.id;
    if (isNewestReceived && intake.tries === 0)
      return {
        retryInMs: FIRST_RETRY_MS,
        why: `the forge reports the head ${verdict.newerSha.slice(0, 7)}; asking once more`,
      };
    const config = await readConfig(git, intake);
    if (!config.ok) return stepFor(parts, intake, config.problem);
    return { plan: withSource(planStale(intake, config.value.found, verdict.newerSha), config.value.source) };
  }
  const config = await readConfig(git, intake);
  if (!config.ok) return stepFor(parts, intake, config.problem);
  const { found, source } = config.value;
  const step = await planCommit(parts, intake, config.value, verdict.ends);
  if ('plan' in step && source !== null) return { plan: withSource(step.plan, source) };
  // A push that another one has overtaken on the default branch says nothing about the times that count now.
  const isHead = fetched.value.head === sha && isDefaultBranch(intake);
  return 'plan' in step && isHead ? { plan: { ...step.plan, timetable: timetableOf(found, parts.clock.now()) } } : step;
}

async function planCommit(
  parts: PlannerParts,
  intake: HeadIntake,
  { found, sha }: FoundConfig,
  ends: readonly Run[],
): Promise<Step> {
  const { git } = parts;
  if (asksToSkip(await messageOf(git, intake))) return { plan: planSkipped() };
  if (found.length > 0) {
    const isAsked = found.some(({ parsed }) => parsed.ok && asksForPaths(parsed.value.on, intake));
    const changed = isAsked ? await changedBy(git, intake) : null;
    const merged = await mergedForm(git, intake, found);
    if (!merged.ok) return stepFor(parts, intake, merged.problem);
    return { plan: planNewest(intake, found, ends, changed, merged.value) };
  }
  const expected = await pipelinesOfDefaultBranch(git, intake);
  return expected.ok ? { plan: planNone(intake, expected.value, ends, sha) } : stepFor(parts, intake, expected.problem);
}

function isDefaultBranch({ repo, headRepoId, headRef, defaultBranch }: HeadIntake): boolean {
  return headRepoId === repo.id && headRef === `refs/heads/${defaultBranch}`;
}

/** A push brings the message along. */
async function messageOf(git: Git, { repo, sha, event, eventName }: HeadIntake): Promise<string> {
  if (eventName !== 'push' && eventName !== 'pull_request') return '';
  const head = textAt(event, 'head_commit', 'id') === sha ? textAt(event, 'head_commit', 'message') : undefined;
  return head ?? git.message(repo, sha);
}

/**
 * What an event changed: on the default branch what its push brought, anywhere else all that the branch has changed since it
 * left its base. On GitHub a push counts alone; but then a commit that only mends the docs would be green on a branch whose
 * code nobody checked. null when it cannot be told, and then nothing may be left out because of it.
 */
async function changedBy(git: Git, { repo, sha, event, headRef, baseRef, defaultBranch }: HeadIntake) {
  const before = textAt(event, 'before');
  if (headRef === `refs/heads/${defaultBranch}` && baseRef === null)
    return before === undefined ? null : git.changedPaths(repo, { base: before, head: sha, from: 'base' });
  const fetched = await git.fetch({ repo, sha, ref: `refs/heads/${baseRef ?? defaultBranch}` });
  const base = fetched.ok ? fetched.value.head : null;
  return base === null || base === sha ? null : git.changedPaths(repo, { base, head: sha, from: 'merge-base' });
}

/** What a branch without pipeline files should have had. The default branch itself is its own measure. */
async function pipelinesOfDefaultBranch(
  git: Git,
  intake: HeadIntake,
): Promise<Result<readonly FoundPipeline[], GitTrouble>> {
  const { repo, sha, defaultBranch } = intake;
  const ref = `refs/heads/${defaultBranch}`;
  if (isDefaultBranch(intake)) return success([]);
  const fetched = await git.fetch({ repo, sha, ref });
  if (!fetched.ok) return failed(fetched.problem);
  return success(fetched.value.head === null ? [] : await readPipelines(git, repo, fetched.value.head));
}

function stepFor(parts: PlannerParts, intake: HeadIntake | AskedIntake, trouble: GitTrouble): Step {
  const reason = trouble.kind === 'disk' ? 'disk' : 'checkout';
  if (trouble.kind === 'missing' && intake.tries >= TRIES_FOR_MISSING)
    return { plan: hopelessPlan(intake, error(reason, trouble.message)) };
  return retry(parts, intake, trouble.message, (waited) => ({
    plan: hopelessPlan(intake, error(reason, `gave up after ${waited}: ${trouble.message}`)),
  }));
}

/** Without a commit there is nothing to record a run at; whoever asked reads the note. */
function hopelessPlan(intake: Intake, outcome: Outcome): IntakePlan {
  return intake.kind === 'head' ? planTrouble(intake, outcome) : { runs: [], ends: [], note: outcome.message };
}

function retry(
  parts: PlannerParts,
  intake: Intake,
  why: string,
  giveUp: (waited: string) => Step,
  cause?: unknown,
): Step {
  if (parts.clock.now().getTime() - intake.receivedAt.getTime() >= GIVE_UP_AFTER_MS) {
    parts.log.warn(
      { intake: intake.id, repo: fullName(intake.repo), reason: why, err: cause },
      'planning an event was given up',
    );
    return giveUp('24 hours');
  }
  return {
    retryInMs: Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(intake.tries, 20)),
    why,
    ...(cause === undefined ? {} : { cause }),
  };
}

function emergencyPlan(intake: Intake, why: string): IntakePlan {
  return hopelessPlan(intake, error('checkout', `gave up after 24 hours: ${why}`));
}
