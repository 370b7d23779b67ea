/** Another system's pipeline file → ours, with comments that say what is different. */
import { isMap, isSeq, type YAMLMap } from 'yaml';
import { MAX_JOBS } from '../pipeline/pipeline-rules.ts';
import type { Problem } from '../problem.ts';
import { failed, success, type Result } from '../result.ts';
import { acceptable } from './accept.ts';
import type { Draft } from './draft.ts';
import { migrateGitHub } from './github.ts';
import { migrateGitLab } from './gitlab.ts';
import type { Note } from './note.ts';
import { readOriginal } from './original.ts';
import { mapAt } from './parts.ts';

export type Source = 'github' | 'gitlab';

export interface MigrationRequest {
  readonly text: string;
  /** Path of the original, for problems and for the first lines of the result. */
  readonly file: string;
  /** Path that the result will have; it gives the pipeline its name. */
  readonly target: string;
  /** Undefined: told from the content. */
  readonly from: Source | undefined;
}

export interface Migration {
  readonly from: Source;
  /** Hearth's reader has no problem with it. */
  readonly pipeline: string;
  /** In the order of the original. */
  readonly notes: readonly Note[];
  /** Jobs and steps that the result has. */
  readonly taken: { readonly jobs: number; readonly steps: number };
}

/** Never throws, whatever the text is. Fails with what makes the original unreadable, all at once. */
export function migrate({ text, file, target, from }: MigrationRequest): Result<Migration, readonly Problem[]> {
  const original = readOriginal(text, file);
  if (!original.ok) return original;
  const kind = from ?? kindOf(original.value.root);
  if (kind === undefined) {
    const message =
      'This is neither a GitHub Actions workflow ("on" and "jobs") nor a .gitlab-ci.yml (jobs with "script"). Say which with --from.';
    return failed([{ code: 'bad-value', message, file, position: { line: 1, column: 1 } }]);
  }
  const made = kind === 'github' ? success(migrateGitHub(original.value)) : migrateGitLab(original.value, file);
  if (!made.ok) return made;
  const { draft, lineOf } = made.value;
  const jobs = mapAt(draft.top, 'jobs')?.items.length ?? 0;
  if (jobs > MAX_JOBS) {
    const message = `The file has ${jobs} jobs, and a pipeline has at most ${MAX_JOBS}. Split it into several files.`;
    return failed([{ code: 'bad-value', message, file, position: { line: 1, column: 1 } }]);
  }
  const { document } = draft;
  document.commentBefore = [headOf(file), document.commentBefore].filter((part) => part != null).join('\n\n');
  const accepted = acceptable({ draft, file: target, lineOf });
  if (!accepted.ok) return failed(accepted.problem.map((problem) => ({ ...problem, file: target })));
  return success({ from: kind, pipeline: accepted.value, notes: draft.notes, taken: countIn(draft) });
}

function headOf(file: string): string {
  return [
    ` Made from ${file.replace(/[\r\n]/g, ' ')} by hearth migrate; the original is as it was.`,
    ' "changed", "left out" and "by hand" say what is different here; look for "by hand" first.',
  ].join('\n');
}

/** Keys that only a .gitlab-ci.yml has at its top, or in a job. */
const gitlabTop = ['stages', 'include', 'default', 'workflow', 'before_script', 'after_script', 'image', 'variables'];
const gitlabJob = ['script', 'extends', 'trigger', 'stage', 'before_script'];

function kindOf(root: YAMLMap): Source | undefined {
  if (mapAt(root, 'jobs') !== undefined) return 'github';
  const isGitLab =
    gitlabTop.some((key) => root.has(key)) ||
    root.items.some(({ value }) => isMap(value) && gitlabJob.some((key) => value.has(key)));
  return isGitLab ? 'gitlab' : undefined;
}

function countIn(draft: Draft): Migration['taken'] {
  const jobs = mapAt(draft.top, 'jobs')?.items.filter((pair) => !draft.isMark(pair)) ?? [];
  const steps = jobs.flatMap(({ value }) => {
    const list: unknown = isMap(value) ? value.get('steps', true) : undefined;
    return isSeq(list) ? list.items.filter((item) => !draft.isMark(item)) : [value];
  });
  return { jobs: jobs.length, steps: steps.length };
}
