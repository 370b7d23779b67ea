// Vitest runs this once, after the set-up of the machine, before the first file of a lane that needs both platforms.
import { openProgress } from '../setup/progress.ts';
import { setUpOtherPlatform } from '../setup/set-up.ts';

export async function setup(): Promise<void> {
  await setUpOtherPlatform(openProgress());
}
