/** `hearth shell RUN JOB [-- COMMAND…]`: on the worker's machine itself, by whoever may read its data folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadClientConfig, loadConfig, type Config } from '../config.ts';
import { originOf, type Job } from '../core/job.ts';
import { failedJob } from '../core/kept.ts';
import { formatProblem } from '../core/problem.ts';
import type { Run } from '../core/run.ts';
import { openConfiguredStore } from '../daemon.ts';
import { keptFolder } from '../docker/kept-folder.ts';
import { labelOf } from '../docker/open-executor.ts';
import { runShell, ShellTrouble } from '../docker/shell.ts';
import { Complaint, exits, type VerbContext } from './exit.ts';

/** The exit code of the command is passed on. */
export async function shell(
  run: string,
  job: string,
  command: readonly string[],
  isTerminal: boolean,
  context: VerbContext,
): Promise<number> {
  if (!/^\d{1,15}$/.test(run))
    throw new Complaint(exits.usage, `${run} is not the number of a run; \`hearth runs\` lists them.`);
  const config = configHere(context);
  const found = await findFailed(config, Number(run), job);
  if ((found.job.spec.services ?? []).length > 0)
    context.complain('The services of the job are not started; only its workspace, image and variables are there.');
  try {
    const code = await runShell({
      dataDirectory: config.dataDirectory,
      workspace: keptFolder(found.run, originOf(found.job)),
      label: labelOf('shells', config.dataDirectory),
      ...{ command, isTerminal, terminal: context.environment['TERM'], egress: config.egress },
      dockerHost: context.environment['DOCKER_HOST'],
      interrupted: context.interrupted,
    });
    return context.interrupted.aborted ? exits.interrupted : code;
  } catch (cause) {
    if (!(cause instanceof ShellTrouble)) throw cause;
    const cure = cause.kind === 'gone' ? cureFor(found.run, found.job, config) : '';
    throw new Complaint(cause.kind === 'gone' ? exits.nothing : exits.usage, `${cause.message}${cure}`, { cause });
  }
}

async function findFailed(
  config: Config,
  id: number,
  meant: string,
): Promise<{ readonly run: Run; readonly job: Job }> {
  await using opened = new AsyncDisposableStack();
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  const found = await store.findRun(id);
  if (found === undefined) throw new Complaint(exits.nothing, `There is no run ${id}; \`hearth runs\` lists them.`);
  const job = failedJob(id, found.jobs, meant);
  if (!job.ok) throw new Complaint(job.problem.kind === 'no-job' ? exits.nothing : exits.usage, job.problem.message);
  return { run: found.run, job: job.value };
}

function configHere({ environment }: VerbContext): Config {
  if (loadClientConfig(environment).url !== null)
    throw new Complaint(
      exits.usage,
      "Workspaces are kept on the worker's own machine. Log in there and leave HEARTH_URL unset.",
    );
  const config = loadConfig(environment);
  if (!config.ok) throw new Complaint(exits.usage, config.problem.map(formatProblem).join('\n'));
  const { dataDirectory } = config.value;
  if (!existsSync(join(dataDirectory, 'hearth.db')))
    throw new Complaint(
      exits.nothing,
      `No Hearth works on ${dataDirectory}. Call this on the worker's machine, with the worker's HEARTH_DATA.`,
    );
  return config.value;
}

function cureFor(run: Run, job: Job, { kept }: Config): string {
  const hours = Number((kept.ms / 3_600_000).toFixed(2));
  const limits = `${hours} h after its last use (HEARTH_KEPT_FOR), within ${kept.bytes} bytes for all (HEARTH_KEPT_BYTES)`;
  const name = /^[\w.-]+$/.test(job.name) ? job.name : `'${job.name}'`;
  return (
    `\nA workspace is kept where it is an overlay, for ${limits}; the end of a job's log says when it was too large.` +
    `\nTo have it anew: hearth rerun ${run.id} --job ${name}`
  );
}
