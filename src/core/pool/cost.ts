/** What the work of a pool would have cost on GitHub's own machines. Pure. */
import type { PoolHistory, PoolSeen } from './pool-store.ts';
import { HOSTED_PRICES, HOSTED_PRICES_OF, type HostedMachine } from './hosted-prices.ts';

export interface HostedCost {
  /** As GitHub would have counted them: each job rounded up. */
  readonly minutes: number;
  /** The smallest of GitHub's machines that has as many cores as a runner of the pool, or the largest there is. */
  readonly machine: HostedMachine;
  readonly usd: number;
  /** Day of the table. */
  readonly pricesOf: string;
}

/** null for a platform that GitHub has no machines of, and for a pool whose runners were never seen. */
export function hostedCost(
  seen: Pick<PoolSeen, 'platform' | 'size'> | null,
  { minutes }: Pick<PoolHistory['usage'], 'minutes'>,
): HostedCost | null {
  const machines = HOSTED_PRICES.get(seen?.platform ?? '') ?? [];
  const machine = machines.find(({ cpus }) => cpus >= (seen?.size.cpus ?? 0)) ?? machines.at(-1);
  if (machine === undefined) return null;
  return { minutes, machine, usd: Math.round(minutes * machine.usdPerMinute * 100) / 100, pricesOf: HOSTED_PRICES_OF };
}
