/** Pools and runners as tests need them. */
import { parsePool } from '../../src/core/pool/pool-schema.ts';
import type { Pool } from '../../src/core/pool/pool.ts';
import type { Runner } from '../../src/core/pool/runner.ts';

export const GIB = 1024 ** 3;

export function makePool(more: Partial<Pool> = {}): Pool {
  const parsed = parsePool('p', { repos: ['octo/app'] });
  if (!parsed.ok) throw new Error(parsed.problem.join('; '));
  return { ...parsed.value, ...more };
}

let made = 0;

export function makeRunner(more: Partial<Runner> = {}): Runner {
  made += 1;
  return {
    ...{ id: made, name: `hearth-p-${made}`, pool: 'p', worker: 'w', fingerprint: 'f', scope: { repo: 'octo/app' } },
    ...{ platform: 'linux/amd64', size: { cpus: 1, memoryBytes: GIB, diskBytes: GIB }, isEmulated: false },
    ...{ state: 'idle', githubId: 1000 + made, container: `c${made}`, reason: null, odd: null, oddAt: null },
    ...{ isReleased: false, plannedAt: new Date(0), changedAt: new Date(0), startedAt: new Date(0) },
    ...{ onlineAt: new Date(0), busyAt: null, goneAt: null },
    ...more,
  };
}
