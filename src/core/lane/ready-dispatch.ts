/** What is asked of GitHub for one job, or why it may not be asked. Pure. */
import { jobValues } from '../contexts.ts';
import { ExpressionFailure, renderTemplate } from '../expression/expression.ts';
import type { Claim } from '../ports.ts';
import { failed, success, type Result } from '../result.ts';
import type { Run, RunContext } from '../run.ts';
import { rightsOf } from '../trust.ts';
import type { DispatchOrder } from './lane-port.ts';
import type { LaneSpec } from './lane-spec.ts';

/** GitHub takes no more. */
const MAX_INPUTS_LENGTH = 65_535;

/** The problem is a sentence that says what to do. */
export function readyDispatch({ run, context, job, needs }: Claim, lane: LaneSpec): Result<DispatchOrder, string> {
  if (!rightsOf(run.trust).dispatches)
    return failed(
      "a fork's pull request starts no workflow, which would have the repository's secrets. Leave the job out there: " +
        "if: github.event_name == 'push'",
    );
  const ref = refOf(run, context);
  if (ref === undefined)
    return failed(`GitHub starts workflows at branches and tags, and ${run.ref} is neither. Run a branch or a tag`);
  const values = jobValues(run, context, job, needs);
  const inputs: Record<string, string> = {};
  for (const [name, template] of Object.entries(lane.inputs)) {
    try {
      inputs[name] = renderTemplate(template, values);
    } catch (cause) {
      if (!(cause instanceof ExpressionFailure)) throw cause;
      return failed(`inputs.${name}: ${cause.message}`);
    }
  }
  if (JSON.stringify(inputs).length > MAX_INPUTS_LENGTH)
    return failed(`inputs: GitHub takes ${MAX_INPUTS_LENGTH} characters at most, all together. Shorten them`);
  return success({ repo: run.repo, workflow: lane.workflow, ref, inputs });
}

/** Of a pull request its head branch, which lies in this repository as the class says. */
function refOf({ ref, prNumber }: Run, { headRef }: RunContext): string | undefined {
  if (prNumber !== null) return headRef ?? undefined;
  return /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1];
}
