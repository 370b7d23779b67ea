/** `actions/checkout`: every job begins with the files of its commit, so the step is no command. */
import { checkInputs, inputOf, refuse, refuseCondition, type ActionStep, type InputRule } from './action-step.ts';
import { labelOf } from '../pipeline/pipeline-issues.ts';
import type { YamlNode } from '../pipeline/yaml-tree.ts';

interface CheckoutInput {
  /** What to do for a value that means something else than what a job finds. */
  readonly advice: string;
  readonly isMet: (value: string) => boolean;
}

const isFalse = (value: string): boolean => value === 'false';
const never = (): boolean => false;
const always = (): boolean => true;
const NO_TOKEN = 'Jobs get no token of GitHub\'s. Give a key of your own to the step that needs it, with "secrets".';

/** What the direct way and `hearth migrate` say of the inputs of actions/checkout. */
export const checkoutInputs: Readonly<Record<string, CheckoutInput>> = {
  'fetch-depth': {
    advice:
      'It has no history. Where the repository can be read without credentials, add a step with `git fetch --unshallow` before the one that needs it; otherwise leave this job on GitHub.',
    isMet: (value) => value === '1',
  },
  'fetch-tags': { advice: 'It has no tags: add a step with `git fetch --tags`.', isMet: isFalse },
  submodules: {
    advice: 'Submodules are empty folders: add a step with `git submodule update --init --recursive`.',
    isMet: isFalse,
  },
  lfs: { advice: 'Files of Git LFS are pointers: add a step with `git lfs pull`.', isMet: isFalse },
  repository: {
    advice: 'Another repository is cloned with `git clone` in a step.',
    isMet: (value) => isOneOf(value, ['github.repository']),
  },
  ref: {
    advice: 'Another commit is fetched with `git fetch` and `git checkout` in a step.',
    // The head of a pull request is what a job has; without one GitHub takes the commit of the event.
    isMet: (value) =>
      isOneOf(value, [
        'github.sha',
        'github.event.pull_request.head.sha',
        'github.event.pull_request.head.sha||github.sha',
      ]),
  },
  path: {
    advice: 'It lies at the top, and not in a folder of its own.',
    isMet: (value) => value === '.' || value === './' || isOneOf(value, ['github.workspace']),
  },
  token: { advice: NO_TOKEN, isMet: (value) => isOneOf(value, ['github.token', 'secrets.GITHUB_TOKEN']) },
  'ssh-key': { advice: NO_TOKEN, isMet: never },
  'ssh-known-hosts': { advice: NO_TOKEN, isMet: never },
  'ssh-strict': { advice: NO_TOKEN, isMet: (value) => value === 'true' },
  'ssh-user': { advice: NO_TOKEN, isMet: (value) => value === 'git' },
  'persist-credentials': { advice: NO_TOKEN, isMet: isFalse },
  'sparse-checkout': { advice: 'All files are there: remove it.', isMet: never },
  'sparse-checkout-cone-mode': { advice: 'All files are there: remove it.', isMet: (value) => value === 'true' },
  filter: { advice: 'All files are there: remove it.', isMet: never },
  'github-server-url': { advice: 'It comes from the server that Hearth works for: remove it.', isMet: never },
  // The workspace is new with every job.
  clean: { advice: '', isMet: always },
  'show-progress': { advice: '', isMet: always },
  'set-safe-directory': { advice: '', isMet: always },
};

function isOneOf(value: string, expressions: readonly string[]): boolean {
  const inside = /^\$\{\{(.*)\}\}$/.exec(value)?.[1]?.replace(/\s+/g, '');
  return inside !== undefined && expressions.includes(inside);
}

const rules: Readonly<Record<string, InputRule>> = Object.fromEntries(
  Object.entries(checkoutInputs).map(([name, { advice, isMet }]): [string, InputRule] => [
    name,
    (value) => (isMet(value) ? undefined : `asks for something else than what a job begins with. ${advice}`),
  ]),
);

/** Which commit jobs get for a pull request; undefined where the file wants none. On GitHub it is the merge. */
export function pullRequestCheckout(root: YamlNode): 'head' | 'merge' | undefined {
  const on = root.entries.get('on')?.node;
  const mapping = on?.entries.get('pull_request')?.node;
  if (mapping !== undefined) return mapping.entries.get('checkout')?.node.value === 'merge' ? 'merge' : 'head';
  if (on === undefined) return 'head';
  const events = Array.isArray(on.value) ? on.items.map(({ value }) => value) : [on.value];
  return events.includes('pull_request') ? 'head' : undefined;
}

export function checkCheckout(step: ActionStep, pullRequests: 'head' | 'merge' | undefined): void {
  checkInputs(step, rules);
  const ref = inputOf(step, 'ref');
  if (pullRequests === 'merge' && ref?.includes('head.sha') === true)
    refuse(
      step,
      'with.ref',
      'asks for the head of a pull request, and jobs get the merge. Remove "checkout: merge" from on.pull_request.',
    );
  refuseCondition(step, 'the files of the commit are there');
  const tolerant = step.node.entries.get('continue-on-error')?.node.value;
  if (tolerant !== undefined && tolerant !== false)
    refuse(step, 'continue-on-error', 'cannot be had: a job whose commit is not there is an error. Remove it.');
}

/** Told once in a file: the one difference that a checkout without inputs has. */
export function noteOfHead({ node, path, note }: ActionStep): void {
  const position = node.entries.get('uses')?.keyPosition ?? node.position;
  note(
    `${labelOf([...path, 'uses'])} gives jobs of a pull request its head here, and its merge with the base on GitHub. Write "pull_request: { checkout: merge }" below "on" for the same.`,
    position,
  );
}
