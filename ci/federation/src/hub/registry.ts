/** Who is connected: one session for each agent of each tenant. */
import { identityText, type Identity } from '../protocol/names.ts';

export interface Entry {
  readonly identity: Identity;
  readonly session: string;
}

export interface Registry<T extends Entry> {
  /** Takes the agent's place and returns the entry that had it. */
  enter(entry: T): T | undefined;
  /** Gives the place up, if this entry still has it: an old connection's end must not take the new one away. */
  leave(entry: T): void;
  has(identity: Identity): boolean;
  ofTenant(tenant: string): readonly T[];
  all(): readonly T[];
  readonly size: number;
}

export function createRegistry<T extends Entry>(): Registry<T> {
  const entries = new Map<string, T>();
  const tenants = new Map<string, Map<string, T>>();

  function put(entry: T): void {
    const { tenant, agent } = entry.identity;
    entries.set(identityText(entry.identity), entry);
    tenants.set(tenant, (tenants.get(tenant) ?? new Map<string, T>()).set(agent, entry));
  }

  return {
    enter(entry) {
      const before = entries.get(identityText(entry.identity));
      put(entry);
      return before;
    },
    leave(entry) {
      const { tenant, agent } = entry.identity;
      if (entries.get(identityText(entry.identity)) !== entry) return;
      entries.delete(identityText(entry.identity));
      const members = tenants.get(tenant);
      members?.delete(agent);
      if (members?.size === 0) tenants.delete(tenant);
    },
    has: (identity) => entries.has(identityText(identity)),
    ofTenant: (tenant) => [...(tenants.get(tenant)?.values() ?? [])],
    all: () => [...entries.values()],
    get size() {
      return entries.size;
    },
  };
}
