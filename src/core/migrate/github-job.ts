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
const ARM = /^ubuntu-.*arm/i;

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
  const text = 'Jobs run on your own box, in the image of "container" or "sidecar".';
  if (axis !== undefined) draft.drop(job, 'runs-on', { ...place, kind: 'dropped', text });
  else if (labels.some((label) => /^self-hosted$/i.test(label))) keepLabels(of, labels);
  else if (labels.every((label) => LINUX.test(label)) && labels.some((label) => /arm/i.test(label))) {
    pair.key = draft.document.createNode('platforms');
    pair.value = draft.document.createNode('linux/arm64');
    const arm = 'It goes to a worker with an ARM64 processor.';
    draft.before(job, 'platforms', { ...place, kind: 'changed', text: arm, original: labels.join(', ') });
  } else if (labels.every((label) => LINUX.test(label)))
    draft.drop(job, 'runs-on', { ...place, kind: 'dropped', text });
  else
    draft.drop(job, 'runs-on', {
      ...place,
      kind: 'todo',
      text: `${text} Check that it is the kind of machine that this job needs.`,
    });
  if (axis === undefined) return 'here';
  const left =
    keepValues(of, axis, (value) => !ELSEWHERE.test(value), 'Hearth runs Linux containers') &&
    keepValues(
      of,
      axis,
      (value) => !ARM.test(value),
      'A matrix does not choose the processor, "platforms" of a job does',
    );
  const values = matrixOf(job)?.get(axis, true) as unknown;
  const first = isSeq(values) ? writtenOf(values.items[0]) : '';
  if (isSeq(values) && values.items.length > 1)
    keepValues(of, axis, (value) => value === first, 'They would all run in the same image');
  return left === 0 ? 'elsewhere' : 'here';
}

/** A runner of one's own had these labels; a worker that is to take its jobs needs them too. */
function keepLabels({ draft, job, name, lineOf }: JobOfWorkflow, labels: readonly string[]): void {
  const own = labels.filter((label) => !/^(?:self-hosted|linux|x64|arm64)$/i.test(label));
  const pair = pairOf(job, 'runs-on');
  if (isMap(pair?.value)) pair.value = draft.document.createNode([...labels]);
  if (own.length === 0) return;
  draft.before(job, 'runs-on', {
    ...{ line: lineOf(pair), key: `jobs.${name}.runs-on`, kind: 'todo' },
    text: `Give the worker that is to take this job these labels (HEARTH_LABELS): ${own.join(', ')}.`,
  });
}
