// Fills dist/ with what the npm package carries. May be repeated; what was there before is removed.
import { chmodSync, copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { buildNativePrograms } from '../packaging/native-programs.ts';
import { bundle } from '../packaging/bundle.ts';
import { licensesOf } from '../packaging/licenses.ts';
import { ensureCompiler } from '../setup/compiler.ts';
import { openProgress } from '../setup/progress.ts';
import { SetUpError } from '../setup/set-up-error.ts';

const FOLDER = 'dist';

try {
  const progress = openProgress();
  await ensureCompiler(progress);
  rmSync(FOLDER, { recursive: true, force: true });
  const inputs = await progress.step('build', 'bundling', () => bundle(FOLDER));
  writeFileSync(`${FOLDER}/THIRD-PARTY-LICENSES.txt`, licensesOf(inputs));
  copyFileSync('provision/packaging/launcher.mjs', `${FOLDER}/hearth.mjs`);
  chmodSync(`${FOLDER}/hearth.mjs`, 0o755);
  const built = await progress.step('build', 'compiling', () => buildNativePrograms(`${FOLDER}/native`));
  progress.note('build', `${FOLDER}/ is ready, native programs for ${built.join(' and ') || 'no architecture'}`);
} catch (error) {
  if (!(error instanceof SetUpError)) throw error;
  console.error(`hearth set-up: ${error.message}`);
  process.exitCode = 1;
}
