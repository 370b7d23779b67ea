/** Tells agents that others of their tenant have pushed: soon, but not once for every push. */
import { randomUUID } from 'node:crypto';
import type { Registry } from './registry.ts';
import type { Member } from './session.ts';
import type { Clock } from '../protocol/clock.ts';
import { identityText, type Identity } from '../protocol/names.ts';

export interface News {
  /** After an acknowledged push of this agent. */
  tell(from: Identity): void;
  stop(): void;
}

/** Pushes within this time are told together: a hundred busy agents would otherwise hear of nothing but each other. */
const TOGETHER_MS = 20;

export function createNews(registry: Registry<Member>, clockOf: (tenant: string) => Clock): News {
  /** Tenant → agents that pushed since it was last told. */
  const untold = new Map<string, Set<string>>();
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    timer = undefined;
    for (const [tenant, pushers] of untold) {
      const text = JSON.stringify({ type: 'news', id: `news-${randomUUID()}`, clock: clockOf(tenant) });
      for (const { identity, socket } of registry.ofTenant(tenant)) {
        const isItsOwn = pushers.size === 1 && pushers.has(identityText(identity));
        if (!isItsOwn) socket.sendText(text);
      }
    }
    untold.clear();
  }

  return {
    tell(from) {
      untold.set(from.tenant, (untold.get(from.tenant) ?? new Set<string>()).add(identityText(from)));
      timer ??= setTimeout(flush, TOGETHER_MS);
    },
    stop: () => clearTimeout(timer),
  };
}
