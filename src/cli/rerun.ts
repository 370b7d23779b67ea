/** `hearth rerun RUN [--failed] [--job J]`. */
import { expectOk, openApi } from './api.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';

export interface RerunOptions {
  readonly failed?: boolean;
  readonly job?: string;
}

export async function rerun(run: string, options: RerunOptions, context: VerbContext): Promise<ExitCode> {
  if (!/^\d{1,15}$/.test(run)) {
    context.complain(`${run} is not the number of a run; \`hearth runs\` lists them.`);
    return exits.usage;
  }
  if (options.failed === true && options.job !== undefined) {
    context.complain('Give --failed or --job, not both: --failed means all jobs that did not succeed.');
    return exits.usage;
  }
  await using api = await openApi(context);
  const response = await api.post(`/api/v1/runs/${run}/rerun`, options);
  const body = await (await expectOk(response)).text();
  if (context.json) {
    context.write(`${body}\n`);
    return exits.good;
  }
  const { id, jobs } = JSON.parse(body) as { readonly id: number; readonly jobs: readonly string[] };
  context.write(`Run ${id} repeats run ${run}: ${jobs.join(', ')}\n`);
  return exits.good;
}
