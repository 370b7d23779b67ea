/** The caches that a file gets: one for all jobs that need the same. */
import { block, freeName } from './parts.ts';

export type Cache =
  | { readonly kind: 'layer'; readonly key: string; readonly paths: string; readonly install: string }
  | { readonly kind: 'volume'; readonly path: string };

export interface Caches {
  readonly all: ReadonlyMap<string, Cache>;
  /** The name of such a cache in the file: the wanted one, unless that is taken. */
  readonly nameFor: (wanted: string, cache: Cache) => string;
}

export function createCaches(): Caches {
  const all = new Map<string, Cache>();
  return {
    all,
    nameFor(wanted, cache) {
      const same = [...all].find(([, one]) => JSON.stringify(one) === JSON.stringify(cache))?.[0];
      const name = same ?? freeName(wanted, (taken) => all.has(taken));
      all.set(name, cache);
      return name;
    },
  };
}

/** As they stand below `cache`. */
export function cachesNode(caches: ReadonlyMap<string, Cache>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...caches].map(([name, cache]) => [
      name,
      cache.kind === 'volume'
        ? { volume: cache.path }
        : { key: cache.key, paths: cache.paths, install: block(cache.install) },
    ]),
  );
}
