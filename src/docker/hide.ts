/** What a job tells the outside, with its secrets masked as in its log. */
import { ExpressionFailure } from '../core/expression/expression.ts';
import { maskText } from '../core/secrets/mask.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Finish } from '../core/ports.ts';
import type { JobSteps } from './job-steps.ts';
import type { Masker } from './raw-log.ts';

export type Hide = (text: string) => string;

export function hider(masker: Masker): Hide {
  return (text) => maskText(masker, text);
}

/**
 * Outputs that cannot be evaluated are an error of the file, whatever the steps came to. They are kept and shown, so a
 * secret in them is masked like one in the log.
 */
export function withOutputs(
  outcome: Outcome,
  steps: JobSteps,
  hide: Hide,
): Pick<Finish, 'outcome' | 'outputs'> & { readonly notes: string } {
  const hidden = { ...outcome, message: hide(outcome.message) };
  if (outcome.result === 'cancelled') return { outcome: hidden, outputs: {}, notes: '' };
  try {
    const outputs = Object.entries(steps.outputs());
    const masked = outputs.filter(([, text]) => hide(text) !== text).map(([name]) => name);
    const notes = masked.map((name) => `hearth: outputs.${name} holds a secret and is masked\n`).join('');
    return { outcome: hidden, outputs: Object.fromEntries(outputs.map(([name, text]) => [name, hide(text)])), notes };
  } catch (cause) {
    if (!(cause instanceof ExpressionFailure)) throw cause;
    const fault = outcome.result === 'success' ? error('config', hide(cause.message)) : hidden;
    return { outcome: fault, outputs: {}, notes: '' };
  }
}
