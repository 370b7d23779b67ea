// `set-up.ts`: what jobs need here. `set-up.ts --other-platform`: what jobs of the other architecture need, too.
import { openProgress } from '../setup/progress.ts';
import { SetUpError } from '../setup/set-up-error.ts';
import { setUp, setUpOtherPlatform } from '../setup/set-up.ts';

try {
  const progress = openProgress();
  await setUp(progress);
  if (process.argv.includes('--other-platform')) await setUpOtherPlatform(progress);
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  console.error(`hearth set-up: ${error.message}`);
  process.exitCode = 1;
}
