/** Rules for artifacts that steps publish and that jobs need before the end of their job. Read as in pipeline-rules.ts. */
import { labelOf, nodeAt } from './pipeline-issues.ts';
import { nearestWord, type Position, type ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from './yaml-tree.ts';

type Report = (code: ProblemCode, message: string, position: Position) => void;

interface Text {
  readonly text: string;
  readonly position: Position;
}

export function checkPublishing(root: YamlNode, report: Report): void {
  const jobs = nodeAt(root, ['jobs'])?.entries ?? new Map<string, { node: YamlNode }>();
  for (const [name, { node }] of jobs) {
    checkSteps(name, node, report);
    checkNeeds(root, name, node, report);
  }
}

/** Which artifact is whole after a step is told once, and for a job that goes well. */
function checkSteps(name: string, job: YamlNode, report: Report): void {
  const seen = new Set<string>();
  for (const [index, step] of (job.entries.get('steps')?.node.items ?? []).entries()) {
    const label = labelOf(['jobs', name, 'steps', index, 'publish']);
    for (const { text, position } of textsOf(step.entries.get('publish')?.node)) {
      const artifact = artifactsOf(job).get(text);
      const when = artifact?.node.entries.get('when')?.node.value;
      if (artifact === undefined)
        report(
          'unknown-artifact',
          `${label} names ${shown(text)}, which is not an artifact of this job. ${adviceFor(text, job, 'Define it below "artifacts:" of the job or remove it.')}`,
          position,
        );
      else if (when === 'failure' || when === 'always')
        report(
          'bad-value',
          `${label} names ${shown(text)}, which is kept after "when: ${when}". What a step publishes is kept because the step succeeded: remove "when", or do not publish it.`,
          position,
        );
      if (seen.has(text))
        report(
          'bad-value',
          `${label} names ${shown(text)}, which is published already, and an artifact is kept once. Remove it from all steps but one.`,
          position,
        );
      seen.add(text);
    }
  }
}

function checkNeeds(root: YamlNode, name: string, job: YamlNode, report: Report): void {
  const needs = job.entries.get('needs')?.node;
  const entries = needs === undefined ? [] : Array.isArray(needs.value) ? needs.items : [needs];
  const ways = new Map<string, 'end' | 'artifact'>();
  for (const entry of entries) {
    const artifact = entry.entries.get('artifact')?.node;
    const [needed] = textsOf(entry.entries.get('job')?.node ?? entry);
    if (needed === undefined) continue;
    const way = artifact === undefined ? 'end' : 'artifact';
    const other = ways.get(needed.text) ?? way;
    ways.set(needed.text, way);
    if (other !== way)
      report(
        'bad-value',
        `Job ${shown(name)} needs both the end of ${shown(needed.text)} and an artifact of it. Remove one of the two: whoever waits for the end has all artifacts.`,
        needed.position,
      );
    // That there is no such job is told beside its name.
    const target = nodeAt(root, ['jobs', needed.text]);
    if (target === undefined) continue;
    const refusal = entry.entries.get('artifacts');
    if (artifact !== undefined && refusal?.node.value === false)
      report(
        'bad-value',
        `Job ${shown(name)} waits for an artifact of ${shown(needed.text)} and takes none of it. Remove "artifacts: false", or "artifact".`,
        refusal.keyPosition,
      );
    for (const wanted of textsOf(artifact)) checkNeed(name, needed.text, target, wanted, report);
  }
}

function checkNeed(name: string, needed: string, target: YamlNode, { text, position }: Text, report: Report): void {
  const of = `Job ${shown(name)} needs the artifact ${shown(text)} of ${shown(needed)}`;
  if (!artifactsOf(target).has(text)) {
    const advice = adviceFor(text, target, `Define it below "artifacts:" of ${shown(needed)}, or need another one.`);
    report('unknown-artifact', `${of}, which has no such artifact. ${advice}`, position);
  } else if (!publishedBy(target).has(text))
    report(
      'unknown-artifact',
      `${of}, which no step of it publishes. Add "publish: ${text}" to the step that makes it, or need the job without "artifact".`,
      position,
    );
}

function artifactsOf(job: YamlNode): YamlNode['entries'] {
  return job.entries.get('artifacts')?.node.entries ?? new Map<string, never>();
}

function publishedBy(job: YamlNode): ReadonlySet<string> {
  const steps = job.entries.get('steps')?.node.items ?? [];
  return new Set(steps.flatMap((step) => textsOf(step.entries.get('publish')?.node)).map(({ text }) => text));
}

function adviceFor(text: string, job: YamlNode, otherwise: string): string {
  const near = nearestWord(text, [...artifactsOf(job).keys()]);
  return near === undefined ? otherwise : `Did you mean ${shown(near)}?`;
}

function textsOf(node: YamlNode | undefined): readonly Text[] {
  if (node === undefined) return [];
  const nodes = Array.isArray(node.value) ? node.items : [node];
  return nodes.flatMap(({ value, position }) => (typeof value === 'string' ? [{ text: value, position }] : []));
}
