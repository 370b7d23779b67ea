// `workloads.ts NAME [OPTIONS]`: sets up what the pipeline NAME needs (engine, base images, the other architecture), then
// runs it with `hearth run`, or with `--push` by a signed push to a daemon. The last line is the verdict; the exit code is
// that of the run, 1 when set-up failed, 2 for wrong usage.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openProgress } from '../setup/progress.ts';
import { SetUpError } from '../setup/set-up-error.ts';
import { setUp, setUpOtherPlatform } from '../setup/set-up.ts';
import { keepRecord, readRuns } from '../workloads/keep.ts';
import { told } from '../workloads/told.ts';
import { readArguments, verdictOf } from '../workloads/workload.ts';

const asked = readArguments(process.argv.slice(2));
if (!asked.ok) {
  console.error(asked.problem);
  process.exitCode = 2;
} else {
  try {
    const progress = openProgress();
    await setUp(progress);
    await setUpOtherPlatform(progress);
    const startedAt = performance.now();
    const recordFile = join(mkdtempSync(join(tmpdir(), 'hearth-workload-')), 'record.json');
    const program = asked.byPush
      ? ['src/demo/push-working-tree.ts', asked.name]
      : ['src/main.ts', 'run', '--pipeline', asked.name, ...asked.forRun];
    process.exitCode = await hearth(...program, '--record', recordFile);
    const lines = existsSync(recordFile) ? told(readRuns(recordFile)) : '';
    if (lines !== '') console.log(lines);
    if (asked.keep !== null) {
      if (process.exitCode === 0) await keepRecord({ ...asked, keep: asked.keep }, recordFile);
      else console.log('The record is not kept: only that of a success is.');
    }
    rmSync(dirname(recordFile), { recursive: true });
    console.log(verdictOf(asked.name, process.exitCode, performance.now() - startedAt));
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error;
    console.error(`hearth set-up: ${error.message}`);
    process.exitCode = 1;
  }
}

/** With this terminal; resolves to its exit code, or 128 + the signal that ended it. */
function hearth(...args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    const forward = (signal: NodeJS.Signals): void => {
      // A terminal has already sent Ctrl-C to the child; a second one would keep it from cancelling its run.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, forward);
    child.once('error', reject);
    child.once('exit', (code, by) => {
      for (const signal of signals) process.off(signal, forward);
      resolve(code ?? 128 + (by === null ? 0 : constants.signals[by]));
    });
  });
}
