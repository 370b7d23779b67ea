/** Rules for jobs that run as a workflow of GitHub. Read as in pipeline-rules.ts. */
import { MAX_INPUTS } from '../dispatch.ts';
import { labelOf, nodeAt } from './pipeline-issues.ts';
import type { Position, ProblemCode } from '../problem.ts';
import type { YamlNode } from './yaml-tree.ts';

type Report = (code: ProblemCode, message: string, position: Position) => void;

/** Keys of a job that runs here, and where what they are for stands in a job that runs there. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['run', 'Put the commands into the workflow, or into a job that this one needs'],
  ['steps', 'Put the commands into the workflow, or into a job that this one needs'],
  ['env', 'Give values to the workflow with inputs'],
  ['defaults', 'It has no steps here'],
  ['cache', 'Use the action actions/cache in the workflow'],
  ['container', 'Name it in the workflow'],
  ['services', 'Name them in the workflow'],
  ['runs-on', 'Name the runners in the workflow, or give their labels as an input'],
  ['platforms', 'Use a matrix, and give its value as an input'],
  ['parallel', 'Use a matrix, and give its value as an input'],
  ['resources', 'It takes nothing of this machine'],
  ['secrets', 'The workflow has the secrets that are stored on GitHub; inputs are for everybody to read'],
  ['artifacts', 'Use the action actions/upload-artifact in the workflow'],
  ['outputs', 'It has the outputs conclusion, run-id and url'],
  ['image', 'Build it in the workflow, or in a job without lane'],
  ['verify', 'Verify the image in a job that builds it here'],
  ['allow-exit-codes', 'Use continue-on-error in the workflow'],
]);

export function checkLanes(root: YamlNode, report: Report): void {
  for (const [name, { node, keyPosition }] of nodeAt(root, ['jobs'])?.entries ?? []) {
    const label = labelOf(['jobs', name]);
    const workflow = node.entries.get('workflow');
    if (!node.entries.has('lane')) {
      if (workflow !== undefined)
        report(
          'bad-value',
          `${label} has workflow, which is for jobs with lane. Add "lane: github", or remove it.`,
          workflow.keyPosition,
        );
      else checkPatterns(label, node, report);
      continue;
    }
    if (workflow === undefined)
      report(
        'missing-key',
        `${label} has lane and must have workflow: a file in .github/workflows. Add it.`,
        keyPosition,
      );
    const inputs = node.entries.get('inputs')?.node;
    if (inputs !== undefined && (typeof inputs.value === 'string' || Array.isArray(inputs.value)))
      report(
        'wrong-type',
        `${label}.inputs must be a mapping from inputs of the workflow to values; patterns of files are for jobs that run here. Correct it.`,
        inputs.position,
      );
    if (inputs !== undefined && inputs.entries.size > MAX_INPUTS)
      report(
        'bad-value',
        `${label}.inputs must hold at most ${MAX_INPUTS} inputs, as on GitHub. Give several values as one.`,
        inputs.position,
      );
    for (const [key, instead] of INSTEAD) {
      const other = node.entries.get(key);
      if (other !== undefined)
        report(
          'bad-value',
          `${label} has lane: github, and then ${key} means nothing. ${instead}, and remove ${key}.`,
          other.keyPosition,
        );
    }
  }
}

function checkPatterns(label: string, job: YamlNode, report: Report): void {
  const inputs = job.entries.get('inputs');
  if (inputs === undefined || inputs.node.entries.size === 0) return;
  report(
    'wrong-type',
    `${label}.inputs must be a pattern of files or a list of them; a mapping is for jobs with "lane: github". Correct it.`,
    inputs.keyPosition,
  );
}
