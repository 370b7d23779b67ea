/**
 * `push-working-tree.ts PIPELINE [--record FILE]`: what `hearth run --pipeline` does by hand, this does by a signed push: a forge on disk
 * gets the files of this working tree, and a daemon of its own is told of it. Exits 0 when the run was a success, 1 when
 * not, 130 when it was stopped.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exits, type ExitCode } from '../cli/exit.ts';
import { localRepo } from '../cli/local-repo.ts';
import { aborted } from '../cli/serve.ts';
import { findPipelines, type LocalPipeline } from '../cli/working-tree.ts';
import { snapshotWorkingTree } from '../git/working-tree.ts';
import { startDemoDaemon } from './daemon.ts';
import { pushAndWatch } from './push.ts';
import { stopOnSignals } from './stop.ts';

async function pushed(
  { pipeline, record }: { readonly pipeline: string; readonly record: string | undefined },
  stop: AbortSignal,
): Promise<ExitCode> {
  const top = process.cwd();
  const found = await findPipelines(top);
  const others = found.filter((one) => nameOf(one) !== pipeline).map(({ file }) => file);
  if (others.length === found.length) {
    process.stderr.write(`There is no pipeline ${pipeline} here; there are ${found.map(nameOf).join(', ')}.\n`);
    return exits.usage;
  }
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'hearth-pushed-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  // The id by which `hearth run` knows this folder, so that both find the same caches.
  const { repo } = localRepo(top);
  const sha = await snapshotWorkingTree({
    folder: top,
    repository: join(folder, 'forge', repo.owner, `${repo.name}.git`),
    ref: 'refs/heads/main',
    without: others,
    environment: process.env,
  });
  const cloneUrl = `file://${folder}/forge/{owner}/{repo}.git`;
  const slots = Math.max(2, availableParallelism());
  const daemon = opened.use(
    await startDemoDaemon({ folder, repository: repo, cloneUrl, slots, environment: process.env }),
  );
  say(`Hearth listens on ${daemon.url}; pushed ${sha.slice(0, 7)} to ${repo.owner}/${repo.name}\n`);
  const ended = pushAndWatch({ daemon, repository: repo, sha, say, recordFile: record });
  const runs = await Promise.race([ended, aborted(stop).then(() => null)]);
  if (runs === null) return exits.interrupted;
  return runs.length === 1 && runs[0]?.run.outcome?.result === 'success' ? exits.good : exits.bad;
}

/** A broken file has no name of its own; it is of no use here, and `hearth lint` says why. */
function nameOf({ file, parsed }: LocalPipeline): string {
  return parsed.ok ? parsed.value.name : file;
}

function say(text: string | Uint8Array): void {
  process.stdout.write(text);
}

const { values, positionals } = parseArgs({ options: { record: { type: 'string' } }, allowPositionals: true });
const [pipeline = '', ...more] = positionals;
if (pipeline === '' || more.length > 0) {
  process.stderr.write('→ Use: push-working-tree.ts PIPELINE [--record FILE]\n');
  process.exitCode = exits.usage;
} else {
  process.exitCode = await pushed({ pipeline, record: values.record }, stopOnSignals(say));
}
