/** `hearth trigger REPO REF`: starts pipelines by hand, and on request waits for their verdict. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IntakeJson, RunJson } from '../http/api-shapes.ts';
import { expectOk, getRun, openApi, type Api } from './api.ts';
import { Complaint, exits, type ExitCode, type VerbContext } from './exit.ts';
import { outcomeWord } from './text.ts';

export interface TriggerOptions {
  readonly sha?: string;
  readonly pipeline?: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly wait: boolean;
}

const LOOK_EVERY_MS = 100;
/** After so long without a plan somebody should look whether a worker runs. */
const QUIET_MS = 10_000;

/** Exit 0: the runs were made, or with `wait` all are success. 1: one is not, or nothing runs. */
export async function trigger(
  repo: string,
  ref: string,
  options: TriggerOptions,
  context: VerbContext,
): Promise<ExitCode> {
  const { inputs, wait, ...rest } = options;
  await using api = await openApi(context);
  const response = await expectOk(await api.post('/api/v1/runs', { repo, ref, ...rest, inputs }));
  const { intake } = (await response.json()) as { readonly intake: number };
  const planned = await untilPlanned(api, intake, wait, context);
  if (planned.state === 'waiting') {
    context.complain(`Recorded as ${intake}, and not planned yet: ${planned.note ?? 'is `hearth serve` running?'}`);
    if (context.json) context.write(`${JSON.stringify({ intake: planned, runs: [] })}\n`);
    return exits.good;
  }
  const runs = await runsOf(api, planned.runs);
  if (!context.json) for (const run of runs) context.write(`${made(run)}\n`);
  if (runs.length === 0 && planned.note !== null) context.complain(planned.note);
  const ended = wait ? await untilEnded(api, runs, context) : runs;
  if (context.json) context.write(`${JSON.stringify({ intake: planned, runs: ended })}\n`);
  else if (wait) for (const run of ended) context.write(`${verdict(run)}\n`);
  const isGood = ended.every(({ outcome }) => outcome === null || outcome.result === 'success');
  return isGood && runs.length > 0 ? exits.good : exits.bad;
}

async function untilPlanned(api: Api, id: number, isPatient: boolean, context: VerbContext): Promise<IntakeJson> {
  const since = performance.now();
  let isTold = false;
  for (;;) {
    const response = await expectOk(await api.get(`/api/v1/intakes/${id}`, context.interrupted));
    const intake = (await response.json()) as IntakeJson;
    if (intake.state === 'planned') return intake;
    if (performance.now() - since > QUIET_MS) {
      if (!isPatient) return intake;
      if (!isTold) context.complain(`Not planned yet: ${intake.note ?? 'is `hearth serve` running?'}`);
      isTold = true;
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.interrupted });
  }
}

async function runsOf(api: Api, ids: readonly number[]): Promise<readonly RunJson[]> {
  return Promise.all(
    ids.map(async (id) => {
      const run = await getRun(api, id);
      if (run === undefined) throw new Complaint(exits.nothing, `Run ${id} is not there any more.`);
      return run;
    }),
  );
}

async function untilEnded(api: Api, runs: readonly RunJson[], context: VerbContext): Promise<readonly RunJson[]> {
  let now = runs;
  while (now.some(({ state }) => state !== 'finished')) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.interrupted });
    now = await runsOf(
      api,
      runs.map(({ id }) => id),
    );
  }
  return now;
}

function made({ id, pipeline, sha, jobs, outcome }: RunJson): string {
  const head = `Run ${id}: ${pipeline} at ${sha.slice(0, 7)}`;
  if (outcome !== null && jobs.length === 0) return `${head}: ${outcome.result}: ${outcome.message}`;
  return [head, ...jobs.map(({ name, log_url }) => `  ${name}  ${log_url}`)].join('\n');
}

function verdict(run: RunJson): string {
  return `${run.outcome?.result === 'success' ? '✔' : '✘'} Run ${run.id}: ${run.pipeline}: ${outcomeWord(run)}: ${run.outcome?.message ?? ''}`;
}
