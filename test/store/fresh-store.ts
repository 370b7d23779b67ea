import { afterEach, beforeEach } from 'vitest';
import type { Store } from '../../src/core/ports.ts';

export type OpenEmptyStore = () => Promise<Store>;

/** A fresh store before each test of the surrounding block, closed after it. */
export function freshStore(open: OpenEmptyStore): () => Store {
  let store: Store | undefined;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(async () => {
    await store?.close();
    store = undefined;
  });
  return () => {
    if (store === undefined) throw new Error('the store is open only inside a test');
    return store;
  };
}
