/** `hearth logs SHA|RUN`: the logs of a run's jobs, or of the newest runs of a commit. */
import type { JobJson, RunJson } from '../http/api-shapes.ts';
import { expectOk, getRun, openApi, type Api } from './api.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';
import { outcomeWord } from './text.ts';

export interface LogsOptions {
  readonly follow: boolean;
  /** Only jobs that did not succeed. */
  readonly failed: boolean;
  readonly job?: string;
}

export async function logs(target: string, options: LogsOptions, context: VerbContext): Promise<ExitCode> {
  await using api = await openApi(context);
  const found = await find(api, target, context);
  if (found.length === 0) {
    context.complain(`There is no run or commit ${target}; \`hearth runs\` lists what there is.`);
    return exits.nothing;
  }
  const selected = found.flatMap((run) =>
    run.jobs.filter((job) => isWanted(job, options)).map((job) => ({ run, job })),
  );
  const ended = found.filter(({ jobs }) => jobs.length === 0);
  if (context.json) {
    context.write(
      `${JSON.stringify(selected.map(({ run, job }) => ({ run: run.id, job: job.name, log_url: job.log_url })))}\n`,
    );
    return exits.good;
  }
  // A run that was over before it had jobs has no log but its reason.
  for (const { pipeline, outcome } of ended)
    context.write(`--- ${pipeline}: ${outcome === null ? 'no jobs' : `${outcome.result}: ${outcome.message}`} ---\n`);
  if (selected.length === 0 && ended.length > 0) return exits.good;
  if (selected.length === 0) {
    context.complain(options.failed ? 'No job failed.' : 'No such job; `hearth runs -o json` lists them.');
    return options.failed ? exits.good : exits.nothing;
  }
  for (const { run, job } of selected) {
    if (selected.length > 1) context.write(`--- ${run.pipeline} / ${job.name}: ${outcomeWord(job)} ---\n`);
    await copyLog(api, job, options, context);
  }
  return exits.good;
}

function isWanted(job: JobJson, { failed, job: name }: LogsOptions): boolean {
  const didFail = job.outcome !== null && (job.outcome.result === 'failure' || job.outcome.result === 'error');
  return (name === undefined || job.name === name) && (!failed || didFail);
}

/** A number is a run; seven or more hex digits are a commit. */
async function find(api: Api, target: string, context: VerbContext): Promise<readonly RunJson[]> {
  if (/^\d{1,6}$/.test(target)) {
    const run = await getRun(api, Number(target));
    return run === undefined ? [] : [run];
  }
  const sha = target.toLowerCase();
  if (!/^[0-9a-f]{7,64}$/.test(sha)) return [];
  const full = await fullSha(api, sha, context);
  if (full === undefined) return [];
  const page = (await (await expectOk(await api.get(`/api/v1/runs?sha=${full}&limit=100`))).json()) as {
    readonly runs: readonly RunJson[];
  };
  const newest = new Map<string, RunJson>();
  for (const run of page.runs) if (!newest.has(run.pipeline)) newest.set(run.pipeline, run);
  return [...newest.values()];
}

async function fullSha(api: Api, prefix: string, context: VerbContext): Promise<string | undefined> {
  if (prefix.length === 40 || prefix.length === 64) return prefix;
  const page = (await (await expectOk(await api.get('/api/v1/runs?limit=100'))).json()) as {
    readonly runs: readonly RunJson[];
  };
  const found = [...new Set(page.runs.map(({ sha }) => sha).filter((sha) => sha.startsWith(prefix)))];
  if (found.length > 1) context.complain(`${prefix} is ambiguous: ${found.join(', ')}`);
  return found.length === 1 ? found[0] : undefined;
}

/**
 * The link in the answer is good for this run alone and may name the public address, which may have a folder before the
 * path; from there on it is the same everywhere.
 */
async function copyLog(api: Api, job: JobJson, { follow }: LogsOptions, context: VerbContext): Promise<void> {
  const { pathname, search } = new URL(job.log_url, 'http://localhost');
  const path = `${pathname.slice(pathname.lastIndexOf('/logs/'))}${search}${follow ? '&follow=1' : ''}`;
  const response = await expectOk(await api.get(path, context.interrupted));
  if (response.body === null) return;
  for await (const chunk of response.body) context.write(chunk as Uint8Array);
}
