// Vitest runs this once before the first file of a lane that needs Docker.
import { ensureChromium } from '../setup/chromium.ts';
import { ensureJq } from '../setup/jq.ts';
import { openProgress } from '../setup/progress.ts';
import { setUp as setUpMachine } from '../setup/set-up.ts';

export async function setup(): Promise<void> {
  const progress = openProgress();
  await setUpMachine(progress);
  await ensureChromium(progress);
  await ensureJq(progress);
}
