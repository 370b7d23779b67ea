/** `hearth lint [FILE…]`: everything that is wrong with pipeline files. */
import { resolve } from 'node:path';
import { duplicateName, sameName } from '../core/pipeline/pipeline-names.ts';
import { formatProblem, type Problem } from '../core/problem.ts';
import { exits, type ExitCode } from './exit.ts';
import { findPipelines, NOTHING_FOUND, readPipeline, topOf, type LocalPipeline } from './working-tree.ts';

export interface LintArgs {
  readonly cwd: string;
  readonly json: boolean;
  readonly out: (line: string) => void;
  /** From `cwd`; empty = all files of the working tree. */
  readonly files: readonly string[];
}

/** Exit 0 without problems, 1 with some, 3 when there is no file to look at. */
export async function lint({ cwd, json, out, files }: LintArgs): Promise<ExitCode> {
  const top = await topOf(cwd);
  const found: readonly LocalPipeline[] =
    files.length > 0
      ? await Promise.all(files.map((file) => readPipeline(top, resolve(cwd, file))))
      : await findPipelines(cwd);
  if (found.length === 0) {
    out(json ? JSON.stringify({ files: [], problems: [] }) : NOTHING_FOUND);
    return exits.nothing;
  }
  const problems = [...found.flatMap(({ parsed }) => (parsed.ok ? [] : parsed.problem)), ...duplicateNames(found)];
  const notes = found.flatMap(({ parsed }) => (parsed.ok ? parsed.value.notes : []));
  if (json) out(JSON.stringify({ files: found.map((one) => one.file), problems, notes }));
  else {
    for (const note of notes) out(`note: ${formatProblem(note)}`);
    for (const problem of problems) out(formatProblem(problem));
    if (problems.length === 0) out(`${found.length} ${found.length === 1 ? 'file' : 'files'} without problems`);
  }
  return problems.length > 0 ? exits.bad : exits.good;
}

function duplicateNames(found: readonly LocalPipeline[]): readonly Problem[] {
  const byName = Map.groupBy(
    found.filter(({ parsed }) => parsed.ok),
    ({ parsed }) => (parsed.ok ? sameName(parsed.value.name) : ''),
  );
  return [...byName]
    .filter(([, group]) => group.length > 1)
    .map(([name, group]) =>
      duplicateName(
        name,
        group.map((one) => one.file),
      ),
    );
}
