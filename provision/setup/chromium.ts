// Tests open pages in a real browser.
import { ensurePackages } from './apt.ts';
import { findCommand } from './command.ts';
import type { Progress } from './progress.ts';

/** Makes sure that there is a Chromium. May be repeated. Throws SetUpError, saying what to install, when it cannot. */
export async function ensureChromium(progress: Progress): Promise<void> {
  if (findCommand('chromium') === undefined) await ensurePackages(progress, 'Chromium', ['chromium']);
}
