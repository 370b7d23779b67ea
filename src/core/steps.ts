/** What happens with the next step of a job, given how the earlier ones went. Pure, so that a re-attach finds the same. */
import { parseAssignments } from './command-files.ts';
import type { JobKey, RunnerKey, StepKey } from './expression/context-keys.ts';
import type { ServiceContext } from './containers.ts';
import { jobValues } from './contexts.ts';
import {
  evaluateCondition,
  evaluateTemplate,
  ExpressionFailure,
  renderTemplate,
  yesOrNoOf,
  type Value,
  type Values,
} from './expression/expression.ts';
import { jobEnv, stepEnv } from './job-env.ts';
import type { StepSpec } from './pipeline/pipeline.ts';
import type { Claim } from './ports.ts';
import type { SecretTexts } from './secrets/secrets-port.ts';

/** A step that is over or was left out. */
export interface PastStep {
  readonly id: string | null;
  readonly name: string;
  readonly result: 'success' | 'failure' | 'skipped';
  /** `continue-on-error`: a failure of it does not count. */
  readonly isTolerated: boolean;
  /** What it wrote to GITHUB_ENV, GITHUB_PATH and GITHUB_OUTPUT. */
  readonly files: StepFiles;
}

export interface StepFiles {
  readonly env: string;
  readonly path: string;
  readonly output: string;
}

export const NO_FILES: StepFiles = { env: '', path: '', output: '' };

/** A step with everything filled in. */
export interface ReadyStep {
  readonly id: string | null;
  readonly name: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly shell: string | null;
  /** null = only the job's. */
  readonly timeoutMs: number | null;
  readonly isTolerated: boolean;
}

export type StepDecision =
  | { readonly action: 'run'; readonly step: ReadyStep }
  | { readonly action: 'skip'; readonly name: string; readonly id: string | null; readonly why: string };

/** What does not change between the steps of one attempt. */
export interface StepsOf extends Pick<Claim, 'run' | 'job' | 'context' | 'needs'> {
  /** `NAME=value` lines of the image. */
  readonly imageEnv: readonly string[];
  readonly home: string;
  readonly secrets: SecretTexts;
  /** Masks secrets, before a text is cut: half of one is not found any more. Absent = there are none. */
  readonly hide?: (text: string) => string;
  /** `job.services`; absent without services. */
  readonly services?: Readonly<Record<string, ServiceContext>>;
}

const MINUTE_MS = 60_000;
const MAX_TIMEOUT_MINUTES = 1440;
/** GitHub's limit for all outputs of a job. */
const MAX_OUTPUTS_LENGTH = 1024 * 1024;

/** Throws ExpressionFailure, with the step's name in front, when an expression cannot be evaluated. */
export function decideStep(
  of: StepsOf,
  step: StepSpec,
  past: readonly PastStep[],
  hashFiles?: Values['hashFiles'],
): StepDecision {
  return named(step.name ?? titleOf(step.run), () => {
    const values = { ...valuesOf(of, past), ...(hashFiles === undefined ? {} : { hashFiles }) };
    if (!isWanted(step, values)) return leftOut(step);
    const own = Object.entries(step.env).map(([key, text]): [string, string] => [key, renderTemplate(text, values)]);
    const env = Object.fromEntries(own);
    const withOwn = { ...values, contexts: { ...values.contexts, env: { ...mapping(values.contexts.env), ...env } } };
    const script = renderTemplate(step.run, withOwn);
    const hide = of.hide ?? ((text: string) => text);
    return {
      action: 'run',
      step: {
        id: step.id,
        name: titleOf(hide(step.name === null ? script : renderTemplate(step.name, withOwn))),
        script,
        env: stepEnv({ ...of, jobEnv: jobEnvOf(of), stepEnv: env, earlier: past.map(({ files }) => files) }),
        workingDirectory: renderTemplate(step.workingDirectory, withOwn),
        shell: step.shell,
        timeoutMs: timeoutOf(step.timeoutMinutes, withOwn),
        isTolerated: toleranceOf(step.continueOnError, withOwn),
      },
    };
  });
}

/** A step that does not run, whenever that was decided. */
export function leftOut({ id, name, run, condition }: StepSpec): StepDecision {
  const why = condition === null ? 'an earlier step failed' : `if: ${condition.trim()}`;
  return { action: 'skip', name: titleOf(name ?? run), id, why };
}

const TITLE_LENGTH = 80;

/** The first line, with a sign that there are more, or that it is cut. */
function titleOf(text: string): string {
  const lines = text.split('\n').filter((one) => one.trim() !== '');
  // By characters, so that none is cut in two.
  const line = Array.from((lines[0] ?? '').replace(/\p{Cc}/gu, ' ').trim());
  if (line.length > TITLE_LENGTH) return `${line.slice(0, TITLE_LENGTH - 1).join('')}…`;
  return `${line.join('')}${lines.length > 1 ? ' …' : ''}`;
}

/** The job's `outputs`, after its last step. Throws ExpressionFailure. */
export function jobOutputs(of: StepsOf, past: readonly PastStep[]): Readonly<Record<string, string>> {
  const values = valuesOf(of, past);
  const entries = Object.entries(of.job.spec.outputs).map(([name, text]): [string, string] => [
    name,
    named(`outputs.${name}`, () => renderTemplate(text, values)),
  ]);
  const length = entries.reduce((sum, [, text]) => sum + text.length, 0);
  if (length > MAX_OUTPUTS_LENGTH)
    throw new ExpressionFailure(
      `outputs: they are ${length} characters long, and at most 1 MiB is possible; write a file instead`,
    );
  return Object.fromEntries(entries);
}

/** Failed steps that nothing tolerates, in order. */
export function failedSteps<S extends Pick<PastStep, 'result' | 'isTolerated'>>(past: readonly S[]): readonly S[] {
  return past.filter(({ result, isTolerated }) => result === 'failure' && !isTolerated);
}

function isWanted(step: StepSpec, values: Values): boolean {
  return step.condition === null ? values.status?.success === true : evaluateCondition(step.condition, values);
}

function valuesOf(of: StepsOf, past: readonly PastStep[]): Values {
  const base = jobValues(of.run, of.context, of.job, of.needs);
  const failed = failedSteps(past).length > 0;
  return {
    contexts: {
      ...base.contexts,
      secrets: of.secrets,
      env: {
        ...jobEnvOf(of),
        ...(Object.assign({}, ...past.map(({ files }) => parseAssignments(files.env))) as Record<string, string>),
      },
      steps: Object.fromEntries(past.flatMap((step) => (step.id === null ? [] : [[step.id, contextOf(step)]]))),
      job: { status: failed ? 'failure' : 'success', services: servicesContext(of) } satisfies Record<JobKey, Value>,
      runner: { os: 'Linux', name: 'hearth', environment: 'self-hosted', temp: '/tmp' } satisfies Record<
        RunnerKey,
        Value
      >,
    },
    status: { success: !failed, failure: failed, always: true, cancelled: false },
  };
}

function servicesContext({ services = {} }: StepsOf): Value {
  return Object.fromEntries(Object.entries(services).map(([name, service]) => [name, { ...service }]));
}

function jobEnvOf(of: StepsOf): Readonly<Record<string, string>> {
  const values = jobValues(of.run, of.context, of.job, of.needs);
  const contexts = { ...values.contexts, secrets: of.secrets };
  return jobEnv(of.job.spec, (text) => renderTemplate(text, { ...values, contexts }));
}

/** For a person who looks at the job afterwards: its variables, without secrets and without what its steps added. */
export function envWithoutSecrets(of: StepsOf): Readonly<Record<string, string>> {
  const { spec } = of.job;
  const env = Object.fromEntries(Object.entries(spec.env).filter(([, text]) => !/\bsecrets\b/i.test(text)));
  const visible = { ...of, secrets: {}, job: { ...of.job, spec: { ...spec, env, secrets: [] } } };
  return stepEnv({ ...visible, jobEnv: jobEnvOf(visible), stepEnv: {}, earlier: [] });
}

function contextOf({ result, isTolerated, files }: PastStep): Readonly<Record<StepKey, Value>> {
  const conclusion = result === 'failure' && isTolerated ? 'success' : result;
  return { outputs: parseAssignments(files.output), outcome: result, conclusion };
}

function timeoutOf(minutes: StepSpec['timeoutMinutes'], values: Values): number | null {
  if (minutes === null) return null;
  const number = Number(given(minutes, values));
  if (number > 0 && number <= MAX_TIMEOUT_MINUTES) return Math.max(1, Math.round(number * MINUTE_MS));
  throw new ExpressionFailure(
    `timeout-minutes must be above 0 and at most ${MAX_TIMEOUT_MINUTES}, and it is ${number}`,
  );
}

function toleranceOf(continueOnError: StepSpec['continueOnError'], values: Values): boolean {
  const found = given(continueOnError, values);
  const answer = yesOrNoOf(found);
  if (answer !== undefined) return answer;
  throw new ExpressionFailure(`continue-on-error must be true or false, and it is ${JSON.stringify(found)}`);
}

function given(value: Value, values: Values): Value {
  return typeof value === 'string' ? evaluateTemplate(value, values) : value;
}

function mapping(value: Value | undefined): Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, Value>>) : {};
}

function named<T>(name: string, evaluate: () => T): T {
  try {
    return evaluate();
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    throw new ExpressionFailure(`${name}: ${cause.message}`, { cause });
  }
}
