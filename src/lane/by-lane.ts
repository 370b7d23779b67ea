/** Gives each job to the executor that runs jobs of its kind. */
import type { Claim, Executor } from '../core/ports.ts';

export interface Executors {
  /** In containers of this machine. */
  readonly here: Executor;
  /** As workflows of GitHub; null = this process starts none. */
  readonly github: Executor | null;
}

export function byLane({ here, github }: Executors): Executor {
  const elsewhere = github ?? notHere;
  const executorOf = ({ job }: Claim): Executor => (job.spec.lane === undefined ? here : elsewhere);
  return {
    execute: (claim, signals) => executorOf(claim).execute(claim, signals),
    release: (claim) => executorOf(claim).release(claim),
    async sweep(claims) {
      await here.sweep(claims.filter((claim) => executorOf(claim) === here));
      await elsewhere.sweep(claims.filter((claim) => executorOf(claim) === elsewhere));
    },
  };
}

/** For `hearth run`, which works on files that GitHub has never seen. */
const notHere: Executor = {
  execute: () =>
    Promise.resolve({
      outcome: {
        result: 'skipped',
        reason: 'condition',
        message: 'lane: github: it runs as a workflow of GitHub, which cannot see this working tree; push to run it',
      },
      outputs: {},
      evidence: null,
    }),
  release: () => Promise.resolve(),
  sweep: () => Promise.resolve(),
};
