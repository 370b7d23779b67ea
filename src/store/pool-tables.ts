/** The tables of runner pools, as kysely sees them; see schema.ts. */
import type { ColumnType, Generated, Selectable } from 'kysely';
import type { PoolRecord, PoolWish } from '../core/pool/pool-store.ts';
import type { RunnerState } from '../core/pool/runner.ts';

type Fixed<T> = ColumnType<T, T, never>;

export interface PoolTable {
  name: Fixed<string>;
  definition: string;
  fingerprint: string;
  source: PoolRecord['source'];
  wish: PoolWish;
  condition: string;
  changed_at: number;
}

export interface RunnerTable {
  id: Generated<number>;
  name: Fixed<string>;
  pool: Fixed<string>;
  worker: Fixed<string>;
  fingerprint: Fixed<string>;
  scope: Fixed<string>;
  platform: Fixed<string>;
  size: Fixed<string>;
  emulated: Fixed<0 | 1>;
  state: RunnerState;
  github_id: number | null;
  container: string | null;
  reason: string | null;
  odd: string | null;
  odd_at: number | null;
  released: 0 | 1;
  planned_at: Fixed<number>;
  changed_at: number;
  started_at: number | null;
  online_at: number | null;
  busy_at: number | null;
  gone_at: number | null;
}

export interface PoolRuleTable {
  pool: Fixed<string>;
  rule: Fixed<string>;
  count: number;
  last_at: number;
}

export type PoolRow = Selectable<PoolTable>;
export type RunnerRow = Selectable<RunnerTable>;
