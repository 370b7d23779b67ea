/** Whether a pool has all it needs, found out by looking: GitHub's side first, then the box, then the image. */
import { fitPool, roomForRunners } from '../core/pool/box.ts';
import type { RunnerContainers, RunnerForge } from '../core/pool/pool-ports.ts';
import type { PoolCondition, PoolRecord, PoolSeen } from '../core/pool/pool-store.ts';
import { scopesOf } from '../core/pool/pool.ts';
import type { Clock } from '../core/ports.ts';
import type { Capacity } from '../core/resources.ts';

export interface CheckParts {
  readonly forge: Pick<RunnerForge, 'access'>;
  readonly containers: Pick<RunnerContainers, 'check'>;
  readonly capacity: () => Promise<Capacity>;
  readonly clock: Clock;
}

/** Registers nothing. All that is wrong at once, as far as it can be told without what was wrong before. Rejects when the engine fails. */
export async function checkPool(
  { forge, containers, capacity, clock }: CheckParts,
  { pool, fingerprint }: PoolRecord,
  signal: AbortSignal,
): Promise<PoolCondition> {
  const conclude = (state: PoolCondition['state'], message: string, seen: PoolSeen | null = null): PoolCondition => ({
    ...{ state, message, at: clock.now(), fingerprint, seen },
  });
  const faults: string[] = [];
  const fit = fitPool(pool, roomForRunners(await capacity()));
  if (!fit.ok) faults.push(...fit.problem);
  let mayPass = false;
  for (const scope of scopesOf(pool)) {
    const access = await forge.access(scope, signal);
    if (!access.ok) {
      mayPass ||= access.problem.kind === 'retry';
      faults.push(access.problem.message);
    } else if (access.value.isPublic && !pool.allowPublic && 'repo' in scope)
      faults.push(
        `${scope.repo} is public, so the workflow of anyone's pull request could run on this box; write \`allow-public: true\` if that is meant`,
      );
  }
  if (faults.length > 0 || !fit.ok) return conclude(mayPass ? 'trouble' : 'refused', faults.join('. '));
  const found = await containers.check(pool, signal);
  // An image that cannot be had today may be there tomorrow.
  if (!found.ok) return conclude('trouble', found.problem);
  const { most, size, isClamped } = fit.value;
  const { platform, machine, isEmulated, version } = found.value;
  const how = isEmulated ? 'emulated' : 'native';
  return conclude('ready', `${platform} (${how}, uname says ${machine}), runner ${version}`, {
    ...found.value,
    ...{ at: clock.now(), most, size, isClamped },
  });
}
