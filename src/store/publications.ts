/** Artifacts that jobs publish while they run, and which of them a claim is bound to. */
import { isGiven, type ArtifactOf, type Publication } from '../core/artifact.ts';
import { originOf, type Job, type JobId, type JobOrigin } from '../core/job.ts';
import { awaitedArtifacts, hasPublished } from '../core/needs.ts';
import { artifactsOfJobs, insertArtifacts } from './results.ts';
import { jobOf } from './rows.ts';
import type { Db, JobRow } from './schema.ts';

/** One transaction: nobody is released by an artifact that is not on record. */
export async function publishArtifacts(
  db: Db,
  { job: id, attempt, names, artifacts }: Publication & { readonly job: JobId; readonly attempt: number },
): Promise<boolean> {
  const row = await db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
  if (row?.state !== 'running' || row.attempt !== attempt) return false;
  await insertArtifacts(db, row, artifacts);
  const published = [...new Set([...jobOf(row).published, ...names])];
  await db
    .updateTable('jobs')
    .set({ published: JSON.stringify(published) })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .execute();
  return true;
}

type Origins = Readonly<Record<string, JobOrigin>>;

/**
 * Where the artifacts were made that a job is claimed with; a later attempt of their job changes nothing for it. Undefined
 * when one of them is not there any more, because its attempt failed after the decision to claim was made.
 */
export async function originsAtClaim(db: Db, row: JobRow): Promise<Origins | undefined> {
  const job = jobOf(row);
  const origins: Record<string, JobOrigin> = {};
  for (const need of await waitedFor(db, job)) {
    if (awaitedArtifacts(job, need.spec.key) === undefined) continue;
    if (need.state !== 'finished' && !hasPublished(need, job)) return undefined;
    origins[need.name] = originOf(need);
  }
  return origins;
}

/** Of those it waited for and does not refuse, all of the newest attempt, or those it named, of the attempt it was claimed with. */
export async function artifactsAtClaim(db: Db, row: JobRow, needs: readonly Job[]): Promise<readonly ArtifactOf[]> {
  const job = jobOf(row);
  const origins = row.artifact_origins === null ? {} : (JSON.parse(row.artifact_origins) as Origins);
  const found: ArtifactOf[] = [];
  for (const need of needs) {
    const names = awaitedArtifacts(job, need.spec.key);
    const origin = names === undefined ? need.origin : (origins[need.name] ?? need.origin);
    const all = await artifactsOfJobs(db, [{ ...need, origin }]);
    const named = all.filter(({ name }) => names === undefined || names.includes(name));
    found.push(...named.filter((artifact) => isGiven(artifact, need.spec, job.spec)));
  }
  return found;
}

/** In the order of the file. */
export async function waitedFor(db: Db, { runId, waitsFor }: Job): Promise<readonly Job[]> {
  if (waitsFor.length === 0) return [];
  const rows = await db.selectFrom('jobs').selectAll().where('run_id', '=', runId).orderBy('id').execute();
  const names = new Set(waitsFor);
  return rows.filter(({ name }) => names.has(name)).map(jobOf);
}
