/** The outbox as the store promises it, in memory: for hours of virtual time in seconds. */
import type { OutgoingStatus, Store } from '../../src/core/ports.ts';

export interface Outbox extends Pick<Store, 'unsentStatuses' | 'statusSent' | 'statusFailed'> {
  /** Makes this the desired status of its id. */
  want(status: OutgoingStatus): void;
  readonly failures: readonly { readonly id: number; readonly why: string; readonly retryAt: Date | 'never' }[];
  /** What is not sent yet, by id. */
  readonly unsent: ReadonlyMap<number, OutgoingStatus>;
}

export function createOutbox(): Outbox {
  const unsent = new Map<number, OutgoingStatus>();
  const retryAt = new Map<number, number>();
  /** Hours of virtual time ask far more often than anything changes. */
  let sorted: readonly OutgoingStatus[] | undefined;
  const tries = new Map<number, number>();
  const failures: { readonly id: number; readonly why: string; readonly retryAt: Date | 'never' }[] = [];
  return {
    failures,
    unsent,
    want(status) {
      unsent.set(status.id, status);
      sorted = undefined;
    },
    unsentStatuses(now, limit) {
      sorted ??= [...unsent.values()].sort(
        (a, b) => a.rank - b.rank || a.desiredAt.getTime() - b.desiredAt.getTime() || a.id - b.id,
      );
      const due: OutgoingStatus[] = [];
      for (const status of sorted) {
        if (due.length === limit) break;
        if (unsent.get(status.id) !== status || (retryAt.get(status.id) ?? 0) > now.getTime()) continue;
        due.push({ ...status, failures: tries.get(status.id) ?? 0 });
      }
      return Promise.resolve(due);
    },
    statusSent(id, version) {
      if (unsent.get(id)?.version === version) unsent.delete(id);
      retryAt.delete(id);
      tries.delete(id);
      return Promise.resolve();
    },
    statusFailed(id, version, why, at) {
      failures.push({ id, why, retryAt: at });
      tries.set(id, (tries.get(id) ?? 0) + 1);
      if (at !== 'never') retryAt.set(id, at.getTime());
      else if (unsent.get(id)?.version === version) unsent.delete(id);
      return Promise.resolve();
    },
  };
}
