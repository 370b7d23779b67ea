/** `node told.ts RESULT`: what `criteria.ts` found, as `name=value` lines for `$GITHUB_OUTPUT`, so that it stands on the run. */
import { readFileSync } from 'node:fs';
import type { Criterion } from './criteria/decide.ts';
import type { Target } from './criteria/targets.ts';

const [file = 'federation-result.json'] = process.argv.slice(2);
const { criteria, targets } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly criteria: readonly Criterion[];
  readonly targets: readonly Target[];
};
console.log(`criteria=${JSON.stringify(criteria)}`);
console.log(`targets=${JSON.stringify(targets)}`);
