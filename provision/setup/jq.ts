// The scripts of ci/github read and write JSON with jq, which every GitHub runner has.
import { ensurePackages } from './apt.ts';
import { findCommand } from './command.ts';
import type { Progress } from './progress.ts';

/** Makes sure that there is a jq. May be repeated. Throws SetUpError, saying what to install, when it cannot. */
export async function ensureJq(progress: Progress): Promise<void> {
  if (findCommand('jq') === undefined) await ensurePackages(progress, 'jq', ['jq']);
}
