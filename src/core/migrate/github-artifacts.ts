/** actions/upload-artifact → `artifacts` of the job: what is kept when it has ended. */
import type { YAMLMap } from 'yaml';
import { fromTop, whenOf } from '../actions/action-step.ts';
import { keysOf } from '../pipeline/pipeline-schema.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import { keyOf } from './draft.ts';
import { freeName, mapAt, safeName, textIn } from './parts.ts';

const jobsHaveArtifacts = (keysOf.job.known as readonly string[]).includes('artifacts');

export interface Kept {
  readonly kind: 'changed' | 'todo';
  readonly text: string;
}

/** Keeps what a step uploads; undefined where jobs have no artifacts. */
export function keepArtifact({ draft, job }: JobOfWorkflow, step: YAMLMap): Kept | undefined {
  const inputs = mapAt(step, 'with');
  const paths = (inputs === undefined ? '' : (textIn(inputs, 'path') ?? ''))
    .split('\n')
    .map((path) => path.trim())
    .filter((path) => path !== '')
    .map(fromTop);
  if (!jobsHaveArtifacts || paths.length === 0) return undefined;
  // The workspace is this job's own, so whatever stands there is meant.
  const patterns = paths.map((path) => path.replace(/\$\{\{.*?\}\}/g, '*'));
  // Only what tells combinations and commits apart may be anything: a variable may be a folder, or one outside.
  const isGuess = paths.some((path) => /\$\{\{(?!\s*(?:matrix|github)\.[\w-]+\s*\}\})/.test(path));
  const all = mapAt(job, 'artifacts') ?? draft.document.createNode({});
  const plain = (textIn(inputs, 'name') ?? 'artifact').replace(/\$\{\{.*?\}\}/g, '');
  const name = freeName(safeName(plain), (taken) => all.has(taken));
  const days = textIn(inputs, 'retention-days');
  const when = whenOf(textIn(step, 'if'));
  const entry = {
    paths: patterns.length === 1 ? patterns[0] : patterns,
    ...(when === undefined || when === 'success' ? {} : { when }),
    ...(days !== undefined && /^[1-9]\d{0,2}$/.test(days) ? { 'expire-in': `${days}d` } : {}),
    // Without files the action only warns.
    ...(textIn(inputs, 'if-no-files-found') === 'error' ? {} : { optional: true }),
  };
  all.items.push(draft.document.createPair(name, entry));
  if (!job.has('artifacts')) {
    const at = job.items.findIndex((pair) => keyOf(pair) === 'steps');
    job.items.splice(at, 0, draft.document.createPair('artifacts', all));
  }
  const own = `The artifact "${name}" of the job is it now, kept when the job has ended.`;
  const byHand = [
    ...(isGuess
      ? ['What is computed in its paths became "*": write what is meant, from the top of the repository.']
      : []),
    ...(when === undefined ? ['Its condition was not taken over: write what fits into "when".'] : []),
  ];
  return { kind: byHand.length > 0 ? 'todo' : 'changed', text: [own, ...byHand].join(' ') };
}
