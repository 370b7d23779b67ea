import type { Outcome } from '../core/outcome.ts';

/** Thrown inside the executor to leave a phase early with the outcome that the job takes; never seen outside. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super(outcome.message);
    this.outcome = outcome;
  }
}
