import { describe, expect, test } from 'vitest';
import type { StoredSecret } from '../../../src/core/secrets/secret-grants.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { at } from '../support.ts';

const token: StoredSecret = { repo: 'acme/rocket', name: 'TOKEN', sealed: 'v1.x.y', trust: ['T1', 'T2'], events: null };

export function secretContract(open: OpenEmptyStore): void {
  describe('a secret', () => {
    const store = freshStore(open);

    test('is kept by repository and name, and a later one takes its place whole', async () => {
      expect(await store().saveSecret(token, at(1))).toBe('new');
      expect(await store().saveSecret({ ...token, repo: 'acme/other' }, at(2))).toBe('new');
      const narrowed: StoredSecret = { ...token, sealed: 'v1.x.z', trust: ['T1'], events: ['push'] };
      expect(await store().saveSecret(narrowed, at(3))).toBe('replaced');
      expect(await store().secretsOf('acme/rocket')).toEqual([{ ...narrowed, setAt: at(3) }]);
      expect(await store().secretsOf(null)).toEqual([
        { ...token, repo: 'acme/other', setAt: at(2) },
        { ...narrowed, setAt: at(3) },
      ]);
    });

    test('is found however the repository is written, as on GitHub', async () => {
      await store().saveSecret({ ...token, repo: 'Acme/Rocket' }, at(1));
      expect(await store().secretsOf('ACME/rocket')).toMatchObject([{ repo: 'acme/rocket' }]);
      expect(await store().saveSecret(token, at(2))).toBe('replaced');
    });

    test('is gone once it was removed, and removing it again changes nothing', async () => {
      await store().saveSecret(token, at(1));
      expect(await store().removeSecret('Acme/rocket', 'TOKEN')).toBe(true);
      expect(await store().removeSecret('acme/rocket', 'TOKEN')).toBe(false);
      expect(await store().secretsOf(null)).toEqual([]);
    });
  });
}
