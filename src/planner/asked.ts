/** What somebody, or the clock, asks for: the ref becomes a commit, then its pipelines become runs of their own. */
import { judgeInputs, type GivenInputs, type InputValues } from '../core/dispatch.ts';
import type { Value } from '../core/expression/expression.ts';
import type { Asked, Intake } from '../core/intake.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Pipeline } from '../core/pipeline/pipeline.ts';
import type { Git, GitTrouble, IntakePlan, PlannedRun } from '../core/ports.ts';
import { nearestWord, type Problem } from '../core/problem.ts';
import { failed, success, type Result } from '../core/result.ts';
import { fullName, trustOf } from '../core/run.ts';
import { shown } from '../core/shown.ts';
import { brokenMessage, endedRun, plannedRun, type HeadIntake } from './plan.ts';
import { readPipelines, type FoundPipeline } from './pipelines.ts';
import { timetableOf } from './timetable.ts';

export type AskedIntake = Intake & { readonly kind: 'asked' };

/** Fetches, so it may be slow; the trouble is of the forge or the disk. What is wrong with the asking is in the plan. */
export async function planAsked(git: Git, intake: AskedIntake, now: Date): Promise<Result<IntakePlan, GitTrouble>> {
  const { repo, asked, defaultBranch } = intake;
  const found = await findRef(git, intake);
  if (!found.ok) return found;
  if (found.value === undefined)
    return success(nothing(`There is no branch or tag ${shown(asked.ref)} in ${fullName(repo)}. Correct the name.`));
  const { ref, head } = found.value;
  const sha = asked.sha ?? head;
  // The forge hands out a fork's commits under the name of the repository, too.
  if (!(await git.contains(repo, head, sha)))
    return success(nothing(`The commit ${sha.slice(0, 7)} is not on ${ref}. Name the branch or tag that it is on.`));
  const pipelines = await readPipelines(git, repo, sha);
  const isDefault = ref === `refs/heads/${defaultBranch}` && sha === head;
  const { eventName } = intake;
  const event = eventOf(intake, ref);
  const atCommit: HeadIntake = {
    ...intake,
    kind: 'head',
    eventName,
    sha,
    headRef: ref,
    event,
    trust: trustOf(ref, defaultBranch),
  };
  const plan = asked.time === null ? planDispatch(atCommit, asked, pipelines) : planTime(atCommit, asked, pipelines);
  return success({ ...plan, ...(isDefault ? { timetable: timetableOf(pipelines, now) } : {}) });
}

/** A name may be that of a branch or of a tag; the branch comes first, as on GitHub. */
async function findRef(
  git: Git,
  { repo, asked }: AskedIntake,
): Promise<Result<{ readonly ref: string; readonly head: string } | undefined, GitTrouble>> {
  const refs = asked.ref.startsWith('refs/') ? [asked.ref] : [`refs/heads/${asked.ref}`, `refs/tags/${asked.ref}`];
  for (const ref of refs) {
    const fetched = await git.fetch({ repo, ref, sha: null });
    if (!fetched.ok) return failed(fetched.problem);
    if (fetched.value.head !== null) return success({ ref, head: fetched.value.head });
  }
  return success(undefined);
}

/** `github.event`, as far as there is one. */
function eventOf({ repo, defaultBranch, actor, asked }: AskedIntake, ref: string): Value {
  const owner = { login: repo.owner };
  const repository = { id: repo.id, name: repo.name, full_name: fullName(repo), default_branch: defaultBranch, owner };
  const common = { repository, sender: { login: actor } };
  return asked.time === null ? { ...common, ref, inputs: {} } : { ...common, schedule: asked.time.cron };
}

/** What came by hand and does not fit ends as an error that names all of it; the commit is not to blame and shows nothing. */
function planDispatch(intake: HeadIntake, asked: Asked, found: readonly FoundPipeline[]): IntakePlan {
  if (asked.pipeline === null) {
    const taking = found.filter(({ parsed }) => parsed.ok && parsed.value.on.workflow_dispatch !== undefined);
    const broken = found.filter(({ parsed }) => !parsed.ok);
    if (taking.length + broken.length > 0)
      return { ...NOTHING, runs: [...broken, ...taking].map((one) => dispatched(intake, asked.inputs, one)) };
    const names = found.map(({ name }) => name).join(', ');
    return nothing(
      found.length === 0
        ? `There is no pipeline file at ${intake.sha.slice(0, 7)}.`
        : `No pipeline at ${intake.sha.slice(0, 7)} can be started by hand (there are ${names}). Add workflow_dispatch to the "on" of one.`,
    );
  }
  const named = found.find(({ name }) => name.toLowerCase() === asked.pipeline?.toLowerCase());
  if (named !== undefined) return { ...NOTHING, runs: [dispatched(intake, asked.inputs, named)] };
  const names = found.map(({ name }) => name);
  const near = nearestWord(asked.pipeline, names);
  const next = near === undefined ? `There are: ${names.join(', ') || 'none'}.` : `Did you mean "${near}"?`;
  return nothing(`There is no pipeline ${shown(asked.pipeline)} at ${intake.sha.slice(0, 7)}. ${next}`);
}

function dispatched(intake: HeadIntake, given: GivenInputs, { name, parsed }: FoundPipeline): PlannedRun {
  if (!parsed.ok) return alone(intake, endedRun(intake, name, error('config', brokenMessage(parsed.problem))));
  const values = inputsFor(parsed.value, given);
  return values.ok
    ? planned(intake, parsed.value, values.value)
    : { ...alone(intake, endedRun(intake, name, misasked(values.problem))), reported: false };
}

function inputsFor({ name, file, on }: Pipeline, given: GivenInputs): Result<InputValues, readonly Problem[]> {
  const dispatch = on.workflow_dispatch;
  if (dispatch === undefined) {
    const message = `The pipeline ${name} cannot be started by hand. Add workflow_dispatch to its "on".`;
    return failed([{ code: 'not-dispatchable', message, file }]);
  }
  const values = judgeInputs(dispatch.inputs, given);
  return values.ok ? values : failed(values.problem.map((message): Problem => ({ code: 'bad-input', message, file })));
}

function misasked(problems: readonly Problem[]): Outcome {
  return error('config', brokenMessage(problems));
}

/** Between the moment it was due and this one the file may have changed; what it says now counts. */
function planTime(intake: HeadIntake, { time, pipeline }: Asked, found: readonly FoundPipeline[]): IntakePlan {
  const runs = found
    .filter(({ name }) => name === pipeline)
    .flatMap(({ name, parsed }): PlannedRun[] => {
      if (!parsed.ok) return [alone(intake, endedRun(intake, name, error('config', brokenMessage(parsed.problem))))];
      const stands = parsed.value.on.schedule?.some((one) => one.cron === time?.cron && one.timezone === time.timezone);
      return stands === true ? [planned(intake, parsed.value, { typed: {}, texts: {} })] : [];
    });
  if (runs.length > 0) return { ...NOTHING, runs };
  return nothing(`${shown(pipeline ?? '')} does not run at this time any more.`);
}

function planned(intake: HeadIntake, pipeline: Pipeline, { typed, texts }: InputValues): PlannedRun {
  const event =
    intake.eventName === 'workflow_dispatch' ? { ...eventFields(intake.event), inputs: texts } : intake.event;
  const run = plannedRun({ ...intake, event }, pipeline, typed);
  return alone(
    intake,
    run.ok ? run.value : endedRun(intake, pipeline.name, error('config', brokenMessage(run.problem))),
  );
}

function eventFields(event: Value): Readonly<Record<string, Value>> {
  return event as Readonly<Record<string, Value>>;
}

function alone({ id }: HeadIntake, run: PlannedRun): PlannedRun {
  return { ...run, line: `asked:${id}`, standsAlone: true };
}

const NOTHING: IntakePlan = { runs: [], ends: [], note: null };

function nothing(note: string): IntakePlan {
  return { ...NOTHING, note };
}
