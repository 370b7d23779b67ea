/** `hearth cancel RUN [JOB]`. */
import { expectOk, getRun, openApi } from './api.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';

export async function cancel(run: string, job: string | undefined, context: VerbContext): Promise<ExitCode> {
  if (!/^\d{1,15}$/.test(run)) {
    context.complain(`${run} is not the number of a run; \`hearth runs\` lists them.`);
    return exits.usage;
  }
  await using api = await openApi(context);
  const found = await getRun(api, Number(run));
  if (found === undefined) {
    context.complain(`There is no run ${run}; \`hearth runs\` lists them.`);
    return exits.nothing;
  }
  if (job !== undefined && !found.jobs.some(({ name }) => name === job)) {
    context.complain(`Run ${run} has no job ${job}; its jobs: ${found.jobs.map(({ name }) => name).join(', ')}.`);
    return exits.nothing;
  }
  const path =
    job === undefined ? `/api/v1/runs/${run}/cancel` : `/api/v1/runs/${run}/jobs/${encodeURIComponent(job)}/cancel`;
  const response = await expectOk(await api.post(path));
  if (context.json) context.write(`${await response.text()}\n`);
  else context.write(`Run ${run}${job === undefined ? '' : `, job ${job}`}: cancelled.\n`);
  return exits.good;
}
