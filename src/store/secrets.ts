/** Secrets of repositories. What is in the column `sealed` says nothing without the key file. */
import type { SecretRecord, StoredSecret } from '../core/secrets/secret-grants.ts';
import type { TrustClass } from '../core/run.ts';
import type { Db } from './schema.ts';

export async function saveSecret(db: Db, secret: StoredSecret, now: Date): Promise<'new' | 'replaced'> {
  const { repo, name, sealed, trust, events } = secret;
  const columns = {
    sealed,
    trust: JSON.stringify(trust),
    events: events === null ? null : JSON.stringify(events),
    set_at: now.getTime(),
  };
  const key = { repo: repo.toLowerCase(), name };
  const { numUpdatedRows } = await db
    .updateTable('secrets')
    .set(columns)
    .where('repo', '=', key.repo)
    .where('name', '=', key.name)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) return 'replaced';
  await db
    .insertInto('secrets')
    .values({ ...key, ...columns })
    .execute();
  return 'new';
}

export async function secretsOf(db: Db, repo: string | null): Promise<readonly SecretRecord[]> {
  const all = db.selectFrom('secrets').selectAll().orderBy('repo').orderBy('name');
  const rows = await (repo === null ? all : all.where('repo', '=', repo.toLowerCase())).execute();
  return rows.map((row) => ({
    repo: row.repo,
    name: row.name,
    sealed: row.sealed,
    // What is in these columns was put there above.
    trust: JSON.parse(row.trust) as readonly TrustClass[],
    events: row.events === null ? null : (JSON.parse(row.events) as readonly string[]),
    setAt: new Date(row.set_at),
  }));
}

export async function removeSecret(db: Db, repo: string, name: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('secrets')
    .where('repo', '=', repo.toLowerCase())
    .where('name', '=', name)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
