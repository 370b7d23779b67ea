/**
 * `npm run demo [-- --once] [-- --fail]`: the whole daemon on loopback, a repository of its own, and a signed push.
 * Nothing is simulated but GitHub's side of the wire. Without `--once` it stays up until Ctrl-C.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exits, type ExitCode } from '../cli/exit.ts';
import { aborted } from '../cli/serve.ts';
import { columns } from '../cli/text.ts';
import { runStatus, jobStatus } from '../core/commit-status.ts';
import type { RunWithJobs } from '../core/ports.ts';
import { startDemoDaemon } from './daemon.ts';
import { pushAndWatch } from './push.ts';
import { DEMO_NAME, DEMO_OWNER, makeDemoRepository } from './repository.ts';
import { sampleProject } from './sample.ts';
import { stopOnSignals } from './stop.ts';

const REPOSITORY = { id: 1, owner: DEMO_OWNER, name: DEMO_NAME };

async function demo(
  options: { readonly once: boolean; readonly fails: boolean },
  stop: AbortSignal,
): Promise<ExitCode> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'hearth-demo-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const repository = await makeDemoRepository(join(folder, 'forge'), process.env);
  const daemon = opened.use(
    await startDemoDaemon({
      folder,
      repository: REPOSITORY,
      cloneUrl: repository.cloneUrl,
      slots: 2,
      environment: process.env,
    }),
  );
  say(`Hearth listens on ${daemon.url} (data in ${daemon.dataDirectory})\n`);

  const push = { daemon, repository: REPOSITORY, say };
  const first = await repository.push(sampleProject(options), 'Say hello');
  say(`\nA first push: the slots and the dependency layer are made (${first.slice(0, 7)})\n`);
  const interrupted = aborted(stop).then(() => null);
  if ((await Promise.race([pushAndWatch({ ...push, sha: first }), interrupted])) === null) return exits.interrupted;
  const second = await repository.push({ 'README.md': 'Hello.\n' }, 'Describe');
  say(`\nA second push: everything is warm (${second.slice(0, 7)})\n`);
  const warm = pushAndWatch({ ...push, sha: second });
  const last = await Promise.race([warm, interrupted]);
  if (last === null) return exits.interrupted;

  say(`\nStatuses that GitHub would have got for ${second.slice(0, 7)}:\n`);
  say(columns(last.flatMap(statusRows)));
  if (!options.once) {
    say(`\nStill up. Try:  curl ${daemon.url}/logs/${second}   curl ${daemon.url}/health\nCtrl-C ends it.\n`);
    await aborted(stop);
    return exits.interrupted;
  }
  return last.every(({ run }) => run.outcome?.result === 'success') ? exits.good : exits.bad;
}

function statusRows({ run, jobs }: RunWithJobs): readonly (readonly string[])[] {
  return [runStatus(run), ...jobs.map((job) => jobStatus(run, job))].map(({ context, state, description }) => [
    '',
    context,
    state,
    description,
  ]);
}

function say(text: string | Uint8Array): void {
  process.stdout.write(text);
}

const known = new Set(['--once', '--fail']);
const args = process.argv.slice(2);
const unknown = args.filter((arg) => !known.has(arg));
if (unknown.length > 0) {
  process.stderr.write(
    `The demo does not know ${unknown.join(' ')}. It takes --once (end with the verdict) and --fail (a test fails).\n`,
  );
  process.exitCode = exits.usage;
} else {
  process.exitCode = await demo({ once: args.includes('--once'), fails: args.includes('--fail') }, stopOnSignals(say));
}
