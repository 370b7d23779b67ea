/** `hearth approve RUN SHA`. */
import { expectOk, getRun, openApi } from './api.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';

interface Approved {
  readonly result: string;
  readonly runs: readonly number[];
}

/** The sha is asked for in full: what was looked at and what runs shall be the same commit. */
export async function approve(run: string, sha: string, context: VerbContext): Promise<ExitCode> {
  const faults = [
    ...(/^\d{1,15}$/.test(run) ? [] : [`${run} is not the number of a run; \`hearth runs\` lists them.`]),
    ...(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(sha) ? [] : [`${sha} is not a sha in full (40 hex digits).`]),
  ];
  for (const fault of faults) context.complain(fault);
  if (faults.length > 0) return exits.usage;
  await using api = await openApi(context);
  const found = await getRun(api, Number(run));
  if (found === undefined) {
    context.complain(`There is no run ${run}; \`hearth runs\` lists them.`);
    return exits.nothing;
  }
  const response = await expectOk(await api.post(`/api/v1/runs/${run}/approve`, { sha }));
  const text = await response.text();
  if (context.json) {
    context.write(`${text}\n`);
    return exits.good;
  }
  const { result, runs } = JSON.parse(text) as Approved;
  const others = runs.filter((id) => id !== Number(run));
  const also = others.length === 0 ? '' : `, with ${others.join(', ')}`;
  context.write(`Run ${run}${also}: ${result}.\n`);
  const ignored = found.config?.ignored ?? [];
  if (ignored.length > 0) context.write(`Changes of the fork that have no effect: ${ignored.join(', ')}.\n`);
  return exits.good;
}
