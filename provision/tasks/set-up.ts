import { openProgress } from '../setup/progress.ts';
import { SetUpError } from '../setup/set-up-error.ts';
import { setUp } from '../setup/set-up.ts';

try {
  await setUp(openProgress());
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  console.error(`hearth set-up: ${error.message}`);
  process.exitCode = 1;
}
