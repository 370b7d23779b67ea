/** One job of a workflow. */
import { isMap, isSeq } from 'yaml';
import { textOf } from './draft.ts';
import { migrateContainer, migrateServices } from './github-container.ts';
import { keepValues, matrixOf } from './github-matrix.ts';
import { migrateSteps } from './github-step.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { closeJob, pairOf, textsIn, writtenOf } from './parts.ts';

export function migrateJob(of: JobOfWorkflow): void {
  const { draft, job, name, lineOf } = of;
  if (job.has('uses')) {
    closeJob(draft, job, {
      line: lineOf(pairOf(job, 'uses')),
      key: `jobs.${name}.uses`,
      kind: 'todo',
      text: 'Workflows cannot call each other here. Copy the jobs of the called one to this place, or delete the job.',
      original: textOf(job),
    });
    return;
  }
  if (migrateMachine(of) === 'elsewhere') return;
  migrateServices(of);
  migrateContainer(of);
  migrateSteps(of);
}

const LINUX = /^(?:ubuntu-|linux$|self-hosted$|x64$)/i;
const ELSEWHERE = /^(?:windows|macos)/i;

/** Hearth runs Linux containers. What asks for another system must not be green without having run there. */
function migrateMachine(of: JobOfWorkflow): 'here' | 'elsewhere' {
  const { draft, job, name, lineOf } = of;
  const pair = pairOf(job, 'runs-on');
  if (pair === undefined) return 'here';
  const place = { line: lineOf(pair), key: `jobs.${name}.runs-on` };
  const labels = isMap(pair.value) ? textsIn(pair.value, 'labels') : textsIn(job, 'runs-on');
  if (labels.some((label) => ELSEWHERE.test(label))) {
    const text = 'Hearth runs Linux containers. Delete this job and leave it on GitHub, or rewrite it for Linux.';
    closeJob(draft, job, { ...place, kind: 'todo', text, original: textOf(job) });
    return 'elsewhere';
  }
  const axis = labels
    .map((label) => /^\$\{\{\s*matrix\.([\w-]+)\s*\}\}$/.exec(label)?.[1])
    .find((one) => one !== undefined);
  const isPlain = labels.every((label) => LINUX.test(label)) && !labels.some((label) => /arm/i.test(label));
  const text = 'Jobs run on your own box, in the image of "container" or "sidecar".';
  if (axis !== undefined) draft.drop(job, 'runs-on', { ...place, kind: 'dropped', text });
  else if (isPlain) draft.drop(job, 'runs-on', { ...place, kind: 'dropped', text });
  else
    draft.drop(job, 'runs-on', {
      ...place,
      kind: 'todo',
      text: `${text} Check that it is the kind of machine that this job needs.`,
    });
  if (axis === undefined) return 'here';
  const left = keepValues(of, axis, (value) => !ELSEWHERE.test(value), 'Hearth runs Linux containers');
  const values = matrixOf(job)?.get(axis, true) as unknown;
  const first = isSeq(values) ? writtenOf(values.items[0]) : '';
  if (isSeq(values) && values.items.length > 1)
    keepValues(of, axis, (value) => value === first, 'They would all run in the same image');
  return left === 0 ? 'elsewhere' : 'here';
}
