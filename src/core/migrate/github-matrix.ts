/** The matrix of a job, cut down to what can be honoured here. */
import { isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { textOf, type Draft } from './draft.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { closeJob, mapAt, pairOf, textIn, writtenOf } from './parts.ts';

/**
 * Takes values that cannot be honoured out of an axis of the matrix, and every combination of `include` that has one; the
 * number of values that are left. With none left the job is closed: it must not be green on something else.
 */
export function keepValues(of: JobOfWorkflow, axis: string, isKept: (value: string) => boolean, why: string): number {
  const { draft, job, name } = of;
  const matrix = matrixOf(job);
  const values = matrix?.get(axis, true) as unknown;
  const include = matrix?.get('include', true) as unknown;
  if (matrix === undefined || (!isSeq(values) && !isSeq(include))) {
    // It is not known before the run which values there are.
    remark(
      of,
      axis,
      `${why}, and this matrix is known only when it runs. Make sure that it holds no other value.`,
      draft,
    );
    return 1;
  }
  let left = 0;
  if (isSeq(values)) {
    const gone = values.items.filter((item) => isScalar(item) && !isKept(writtenOf(item)));
    left += values.items.length - gone.length;
    if (gone.length > 0 && left > 0) {
      remark(
        of,
        axis,
        `${why}. Left out of this axis: ${gone.map(writtenOf).join(', ')}. A file of its own can have them, or leave them on GitHub.`,
        draft,
      );
      values.items = values.items.filter((item) => !gone.includes(item));
    }
  }
  for (const key of ['include', 'exclude']) {
    const list = matrix.get(key, true) as unknown;
    if (!isSeq(list)) continue;
    for (const item of [...list.items]) {
      const value = isMap(item) ? textIn(item, axis) : undefined;
      const goes = value !== undefined && !isKept(value);
      if (key === 'include' && value !== undefined && !goes) left += 1;
      if (!goes) continue;
      const place = { line: of.lineOf(item), key: `jobs.${name}.strategy.matrix.${key}` };
      draft.dropItem(list, item, { ...place, kind: key === 'include' ? 'todo' : 'dropped', text: `${why}.` });
    }
  }
  if (left > 0) return left;
  closeJob(draft, job, {
    line: of.lineOf(pairOf(matrix, axis)),
    key: `jobs.${name}.strategy.matrix.${axis}`,
    kind: 'todo',
    text: `${why}, and nothing of the matrix is left. Delete this job and leave it on GitHub, or rewrite it.`,
    original: textOf(job),
  });
  return 0;
}

export function matrixOf(job: YAMLMap): YAMLMap | undefined {
  const strategy = mapAt(job, 'strategy');
  return strategy === undefined ? undefined : mapAt(strategy, 'matrix');
}

function remark({ job, name, lineOf }: JobOfWorkflow, axis: string, text: string, draft: Draft): void {
  const matrix = matrixOf(job);
  const key = `jobs.${name}.strategy.matrix.${axis}`;
  if (matrix !== undefined) draft.before(matrix, axis, { line: lineOf(pairOf(matrix, axis)), key, kind: 'todo', text });
  else draft.before(job, 'strategy', { line: lineOf(pairOf(job, 'strategy')), key, kind: 'todo', text });
}
