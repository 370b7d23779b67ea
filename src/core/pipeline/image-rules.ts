/** Rules for jobs that build an image. Read as in pipeline-rules.ts. */
import { secretsUsed } from '../expression/expression-syntax.ts';
import { parseReference } from '../image/reference.ts';
import { labelOf, nodeAt } from './pipeline-issues.ts';
import type { Position, ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import { splitWords } from '../words.ts';
import type { YamlNode } from './yaml-tree.ts';

type Report = (code: ProblemCode, message: string, position: Position) => void;

/** Keys of a job that runs commands, and where what they are for stands in a job that builds an image. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['run', 'Put the commands into the Dockerfile, or into a job that this one needs'],
  ['steps', 'Put the commands into the Dockerfile, or into a job that this one needs'],
  ['env', 'Give values to the build with image.args'],
  ['cache', 'Use cache mounts in the Dockerfile: RUN --mount=type=cache'],
  ['container', 'The image is built from the FROM of its Dockerfile'],
  ['services', 'A build reaches none'],
  ['artifacts', 'What it makes is the image'],
  ['inputs', 'Its layers are reused anyway'],
  ['outputs', 'It has the outputs image and digest, and those of image.facts'],
  ['defaults', 'It has no steps'],
  ['allow-exit-codes', 'It has no steps'],
  ['parallel', 'Use a matrix, or platforms'],
]);

export function checkImages(root: YamlNode, report: Report): void {
  for (const [name, { node }] of nodeAt(root, ['jobs'])?.entries ?? []) {
    const label = labelOf(['jobs', name]);
    // One sentence for each key is enough.
    if (node.entries.has('lane')) continue;
    const image = node.entries.get('image');
    const verify = node.entries.get('verify');
    if (image === undefined) {
      if (verify !== undefined)
        report(
          'bad-value',
          `${label} has verify, which is for jobs with image. Add image, or remove it.`,
          verify.keyPosition,
        );
      continue;
    }
    for (const [key, instead] of INSTEAD) {
      const other = node.entries.get(key);
      if (other !== undefined)
        report(
          'bad-value',
          `${label} has image, and then ${key} means nothing. ${instead}, and remove ${key}.`,
          other.keyPosition,
        );
    }
    checkPush(label, image.node, report);
    checkCommand(label, verify?.node, report);
  }
}

function checkPush(label: string, image: YamlNode, report: Report): void {
  const push = image.entries.get('push')?.node;
  for (const item of push === undefined ? [] : Array.isArray(push.value) ? push.items : [push]) {
    const text = item.value;
    if (typeof text !== 'string' || text.includes('${{')) continue;
    const found = parseReference(text);
    if (found === undefined || found.digest !== null)
      report(
        'bad-value',
        `${label}.image.push is ${shown(text)}, which is not registry/name:tag. Correct it.`,
        item.position,
      );
  }
  const credentials = image.entries.get('credentials');
  if (credentials === undefined) return;
  if (push === undefined)
    report(
      'bad-value',
      `${label}.image has credentials and no push, which alone uses them. Add push, or remove them.`,
      credentials.keyPosition,
    );
  const password = credentials.node.entries.get('password')?.node;
  if (typeof password?.value === 'string' && secretsUsed(password.value).size === 0)
    report(
      'bad-value',
      `${label}.image.credentials.password stands in the file for everybody to read. Store it (hearth secret set) and write \${{ secrets.NAME }}.`,
      password.position,
    );
}

/** What a shell would act upon. A list of words says that it is meant as a text. */
const OPERATOR = /^(?:\|\|?|&&?|\d?[<>]{1,2}.*|!)$|^&>|;$|^\$\(|^`|\$\(.*\)$/;

function checkCommand(label: string, verify: YamlNode | undefined, report: Report): void {
  const run = verify?.entries.get('run')?.node;
  if (typeof run?.value !== 'string') return;
  const words = splitWords(run.value);
  if (words === undefined)
    report('bad-value', `${label}.verify.run has a quote that is not closed. Close it.`, run.position);
  else if (words.length === 0) report('bad-value', `${label}.verify.run has no command. Write one.`, run.position);
  const operator = words?.find((word) => OPERATOR.test(word));
  if (operator !== undefined)
    report(
      'bad-value',
      `${label}.verify.run is one command without a shell, which would get ${shown(operator)} as a text. Put the check into a script of the image, or write it as a list: [sh, -c, '…'].`,
      run.position,
    );
}
