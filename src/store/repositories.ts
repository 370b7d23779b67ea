/** What deliveries have told of repositories: a person names one, and everything else goes by its id. */
import type { Target, KnownRepo } from '../core/intake.ts';
import { fullName } from '../core/run.ts';
import type { Db } from './schema.ts';

/** Writes only what is new, for every delivery passes here. */
export async function rememberRepository(db: Db, { repo, defaultBranch }: Target, now: Date): Promise<void> {
  const { id, owner, name } = repo;
  const said = { owner, name, key: keyOf(fullName(repo)), default_branch: defaultBranch };
  await db
    .insertInto('repositories')
    .values({ repo_id: id, ...said, changed_at: now.getTime() })
    .onConflict((conflict) =>
      conflict
        .column('repo_id')
        .doUpdateSet({ ...said, changed_at: now.getTime() })
        .where((row) =>
          row.or([
            row('repositories.owner', '<>', owner),
            row('repositories.name', '<>', name),
            row('repositories.default_branch', '<>', defaultBranch),
          ]),
        ),
    )
    .execute();
}

export async function knownRepo(db: Db, name: string): Promise<KnownRepo | undefined> {
  const row = await db
    .selectFrom('repositories')
    .selectAll()
    .where('key', '=', keyOf(name))
    // A name may have gone from one repository to another.
    .orderBy('changed_at', 'desc')
    .orderBy('repo_id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { repo: { id: row.repo_id, owner: row.owner, name: row.name }, defaultBranch: row.default_branch };
}

function keyOf(name: string): string {
  return name.toLowerCase();
}
