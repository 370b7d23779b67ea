/** Actions that Hearth stands in for leave no outputs; whatever reads some would find nothing, and is a problem. */
import { labelOf } from '../pipeline/pipeline-issues.ts';
import type { Position, ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from '../pipeline/yaml-tree.ts';

interface Id {
  readonly id: unknown;
  /** The action, without its owner. */
  readonly kind: string;
}

type Path = readonly (string | number)[];

const waysOut: Readonly<Record<string, string>> = {
  checkout: 'The commit is ${{ github.sha }}.',
  'upload-artifact': 'Artifacts are listed with the run, over HTTP.',
  'download-artifact': 'The files are where the job that made them had them.',
};
const CACHE = 'Remove the condition: a command that finds its downloads in the folder is quick without it.';

interface Reading {
  readonly top: Path;
  readonly report: (code: ProblemCode, message: string, position: Position) => void;
  /** What texts read that were looked at before: one long text may stand in a thousand jobs. */
  readonly known: Map<string, readonly (string | null)[]>;
}

/** Reports every text of the job that reads a step of these. Keys of caches count for nothing and are passed over. */
export function outputsRead(job: YamlNode, ids: readonly Id[], { top, report, known }: Reading): void {
  const kinds = new Map(
    ids.flatMap(({ id, kind }) => (typeof id === 'string' ? [[id.toLowerCase(), { id, kind }]] : [])),
  );
  if (kinds.size === 0) return;
  const visit = (node: YamlNode, path: Path): void => {
    for (const [key, { node: below }] of node.entries)
      if (!(path.at(-1) === 'with' && (key === 'key' || key === 'restore-keys'))) visit(below, [...path, key]);
    for (const [index, below] of node.items.entries()) visit(below, [...path, index]);
    if (typeof node.value !== 'string') return;
    const text = path.at(-1) === 'if' ? `\${{${node.value}}}` : node.value;
    const read = known.get(text) ?? stepsRead(text);
    known.set(text, read);
    const [first] = read.flatMap((id) => (id === null ? [...kinds.values()] : (kinds.get(id) ?? [])));
    if (first === undefined) return;
    const message = `${labelOf(path)} reads steps.${shown(first.id)}, and an action leaves nothing there. ${waysOut[first.kind] ?? CACHE}`;
    report('bad-value', message, node.position);
  };
  visit(job, top);
}

/** Ids of steps that the expressions of a text read, in lower case; null = all of them. */
function stepsRead(text: string): readonly (string | null)[] {
  if (!/steps/i.test(text)) return [];
  return text
    .split('${{')
    .slice(1)
    .flatMap((rest) => [
      ...(rest.split('}}')[0] ?? '').matchAll(
        /(?<![\w.-])steps\b(?:\s*\.\s*([A-Za-z_][\w-]*)|\s*\[\s*'([^']*)'\s*\])?/gi,
      ),
    ])
    .map(([, dotted, quoted]) => (dotted ?? quoted)?.toLowerCase() ?? null);
}
