/** The port to the secrets of jobs. */
import type { Job } from '../job.ts';
import type { Result } from '../result.ts';
import type { Run } from '../run.ts';

/** Texts by name, in upper case. An optional secret that is not given is the empty text. */
export type SecretTexts = Readonly<Record<string, string>>;

export interface JobSecrets {
  /**
   * The secrets that the job names. The problem holds a sentence for each that it needs and does not get. Called once per
   * attempt; may be repeated, and may then give another text when the secret was changed.
   */
  of(claim: { readonly run: Run; readonly job: Job }): Promise<Result<SecretTexts, readonly string[]>>;
  /**
   * The texts in a form that may lie on a disk, so that a later process finds those that the attempt began with: were it
   * to mask other texts, the log would not go on where it stopped.
   */
  seal(texts: SecretTexts): string;
  /** Throws when the key file is another one by now. */
  unseal(sealed: string): SecretTexts;
}
