/** A comment that approves a fork's commit: may that person, and is the commit the one that waits? */
import { isFullSha, nothingWaits } from '../core/approval.ts';
import type { Intake } from '../core/intake.ts';
import type { Clock, ForgeTrouble, People, Store } from '../core/ports.ts';
import { failed, success, type Result } from '../core/result.ts';
import { fullName, type Run } from '../core/run.ts';

export type ApprovalIntake = Intake & { readonly kind: 'approval' };

export interface ApproverParts {
  readonly store: Pick<Store, 'approve' | 'lineOfIntake'>;
  readonly people: People;
  readonly clock: Clock;
  readonly onChange: () => void;
  readonly log: { info(fields: object, message: string): void };
}

/** What became of it, for the intake's note; or trouble that may pass, and until then nothing is approved. May be repeated. */
export async function planApproval(
  { store, people, clock, onChange, log }: ApproverParts,
  intake: ApprovalIntake,
  signal?: AbortSignal,
): Promise<Result<string, ForgeTrouble>> {
  const { repo, prNumber, commit, person } = intake;
  if (prNumber === null) return success('There is no pull request to approve.');
  if (!isFullSha(commit)) return success(`Refused: ${NAME_ALL}`);
  const { live } = await store.lineOfIntake(intake);
  const meant = live.filter((run) => run.prNumber === prNumber && run.sha === commit);
  // Anybody may comment, so the forge is asked only where a yes would change something.
  if (!meant.some(({ trust }) => trust === 'T4')) return success(whyNothingWaits(meant, prNumber, commit));
  const permission = await people.permissionOf(repo, person.login, signal);
  if (!permission.ok && permission.problem.kind === 'retry') return failed(permission.problem);
  if (!permission.ok)
    return success(`Refused: nobody can tell whether ${person.login} may approve. ${permission.problem.message}`);
  if (permission.value.personId !== person.id || !permission.value.mayWrite)
    return success(`Refused: ${person.login} may not write to ${fullName(repo)}.`);
  const by = `${person.login} (${person.id})`;
  const verdict = await store.approve({ repoId: repo.id, prNumber, sha: commit }, { by, at: clock.now() });
  switch (verdict.kind) {
    case 'approved':
      log.info({ repo: fullName(repo), sha: verdict.sha, runs: verdict.runs, by }, 'a commit of a fork was approved');
      onChange();
      return success(`${by} approved ${verdict.sha}: run ${verdict.runs.join(', ')}`);
    case 'already':
      return success(`${verdict.sha} was approved by ${verdict.approval.by} before`);
    case 'refused':
      return success(`Refused: ${verdict.why}`);
    case 'unknown':
      return success('Refused: there is no such run.');
  }
}

const NAME_ALL =
  'Name the commit by all 40 hex digits of its sha. Another commit can be made that begins with the same few.';

function whyNothingWaits(meant: readonly Run[], prNumber: number, sha: string): string {
  const approval = meant.find((run) => run.approval !== null)?.approval;
  return approval ? `${sha} was approved by ${approval.by} before` : `Refused: ${nothingWaits(prNumber, sha)}`;
}
