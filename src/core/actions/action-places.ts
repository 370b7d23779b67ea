/** What an action stands for is there for the whole job, and not from its step on; where that can differ, it is told. */
import { refuse, type ActionStep, type FoundAction } from './action-step.ts';
import { labelOf } from '../pipeline/pipeline-issues.ts';
import type { YamlNode } from '../pipeline/yaml-tree.ts';

export function checkPlaces(steps: readonly YamlNode[], found: readonly FoundAction[]): void {
  const runs = steps.flatMap((step, index) => (step.entries.has('run') ? [index] : []));
  const [firstRun = Infinity] = runs;
  const lastRun = runs.at(-1) ?? -1;
  const firstDownload = found.find(({ kind }) => kind === 'download-artifact')?.index ?? Infinity;
  const firstCheckout = found.find(({ kind }) => kind === 'checkout')?.index ?? Infinity;
  const runAfterCheckout = runs.find((index) => index > firstCheckout) ?? Infinity;
  for (const { step, kind, index } of found) {
    if (kind === 'checkout' && runAfterCheckout < index)
      refuse(
        step,
        'uses',
        'would undo what the steps before it changed. Write it as a command: git checkout --force HEAD && git clean -ffdx.',
      );
    else if (kind === 'checkout' && firstDownload < index)
      refuse(step, 'uses', 'would remove what is downloaded before it on GitHub. Put the checkout first.');
    else if (kind === 'upload-artifact' && lastRun > index)
      place(
        step,
        'the files are taken when the job has ended, as the steps after it leave them, and by how the job ended',
      );
    else if (kind !== 'upload-artifact' && kind !== 'cache/save' && firstRun < index)
      place(step, 'its files are there from the start of the job, also for the steps before it');
  }
}

function place({ node, path, note }: ActionStep, why: string): void {
  const uses = node.entries.get('uses');
  note(
    `The place of ${labelOf(path)} has no effect here: ${why}. Leave it for GitHub when that is fine.`,
    uses?.keyPosition ?? node.position,
  );
}
