/** `hearth runs`: the newest runs, one per line. */
import type { RunJson } from '../http/api-shapes.ts';
import { expectOk, openApi } from './api.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';
import { columns, duration, outcomeWord } from './text.ts';

export interface RunsOptions {
  readonly repo?: string;
  readonly branch?: string;
  readonly state?: string;
  readonly limit: number;
}

export async function runs(options: RunsOptions, context: VerbContext): Promise<ExitCode> {
  await using api = await openApi(context);
  const query = new URLSearchParams({ limit: String(options.limit) });
  for (const name of ['repo', 'branch', 'state'] as const) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  const response = await expectOk(await api.get(`/api/v1/runs?${query.toString()}`));
  const page = (await response.json()) as { readonly runs: readonly RunJson[] };
  if (context.json) context.write(`${JSON.stringify(page)}\n`);
  else if (page.runs.length === 0)
    context.complain('No runs. Push to a repository whose webhook leads here, or try `hearth run`.');
  else context.write(columns([HEADS, ...page.runs.map(row)]));
  return page.runs.length === 0 ? exits.nothing : exits.good;
}

const HEADS = ['run', 'commit', 'repository', 'ref', 'pipeline', 'outcome', 'jobs', 'since push', 'when (UTC)', ''];

function row(run: RunJson): readonly string[] {
  const end = run.finished_at === null ? Date.now() : Date.parse(run.finished_at);
  const branch = run.ref.replace(/^refs\/(heads|tags)\//, '');
  return [
    String(run.id),
    run.sha.slice(0, 7),
    run.repo,
    branch,
    run.pipeline,
    outcomeWord(run),
    String(run.jobs.length),
    duration(end - Date.parse(run.created_at)),
    run.created_at.slice(0, 16).replace('T', ' '),
    // With jobs, these say why; without any, nobody else does.
    run.jobs.length === 0 ? (run.outcome?.message.split('\n')[0] ?? '') : run.title === run.pipeline ? '' : run.title,
  ];
}
