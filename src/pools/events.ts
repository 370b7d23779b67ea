/** What the pool loop tells, for the log. */
import type { Runner } from '../core/pool/runner.ts';

export interface PoolEvents {
  readonly trouble: (of: string, why: string) => void;
  readonly runner: (runner: Runner, what: string) => void;
  readonly pool: (name: string, what: string) => void;
}
