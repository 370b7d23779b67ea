/**
 * `npm run demo [-- --once] [-- --fail]`: the whole daemon on loopback, a repository of its own, and a signed push.
 * Nothing is simulated but GitHub's side of the wire. Without `--once` it stays up until Ctrl-C.
 */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exits, type ExitCode } from '../cli/exit.ts';
import { aborted } from '../cli/serve.ts';
import { columns } from '../cli/text.ts';
import { watchRuns } from '../cli/watch.ts';
import { parseConfig, type Config } from '../config.ts';
import { runStatus, jobStatus } from '../core/commit-status.ts';
import type { RunWithJobs, Store } from '../core/ports.ts';
import { formatProblem } from '../core/problem.ts';
import { openConfiguredStore, startDaemon } from '../daemon.ts';
import { removeSlotsOf } from '../docker/open-executor.ts';
import { createLog } from '../log.ts';
import { openJobLogs } from '../store/job-logs.ts';
import { DEMO_NAME, DEMO_OWNER, makeDemoRepository } from './repository.ts';
import { sampleProject } from './sample.ts';

const REPOSITORY = { id: 1, name: DEMO_NAME, owner: { login: DEMO_OWNER }, default_branch: 'main' };

async function demo(
  options: { readonly once: boolean; readonly fails: boolean },
  stop: AbortSignal,
): Promise<ExitCode> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'hearth-demo-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  const repository = await makeDemoRepository(join(folder, 'forge'), process.env);
  const config = demoConfig(join(folder, 'data'), secret, repository.cloneUrl);
  opened.defer(() => removeSlotsOf(config.dataDirectory));
  const daemon = opened.use(
    await startDaemon({ config, role: 'serve', log: createLog('error'), environment: process.env }),
  );
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  say(`Hearth listens on ${daemon.url ?? ''} (data in ${config.dataDirectory})\n`);

  const first = await repository.push(sampleProject(options), 'Say hello');
  const interrupted = aborted(stop).then(() => null);
  const begun = pushAndWatch({
    url: daemon.url ?? '',
    secret,
    sha: first,
    title: 'A first push: the slots and the dependency layer are made',
    store,
    config,
  });
  if ((await Promise.race([begun, interrupted])) === null) return exits.interrupted;
  const second = await repository.push({ 'README.md': 'Hello.\n' }, 'Describe');
  const warm = pushAndWatch({
    url: daemon.url ?? '',
    secret,
    sha: second,
    title: 'A second push: everything is warm',
    store,
    config,
  });
  const last = await Promise.race([warm, interrupted]);
  if (last === null) return exits.interrupted;

  say(`\nStatuses that GitHub would have got for ${second.slice(0, 7)}:\n`);
  say(columns(last.flatMap(statusRows)));
  if (!options.once) {
    say(
      `\nStill up. Try:  curl ${daemon.url ?? ''}/logs/${second}   curl ${daemon.url ?? ''}/health\nCtrl-C ends it.\n`,
    );
    await aborted(stop);
    return exits.interrupted;
  }
  return last.every(({ run }) => run.outcome?.result === 'success') ? exits.good : exits.bad;
}

interface Push {
  readonly url: string;
  readonly secret: string;
  readonly sha: string;
  readonly title: string;
  readonly store: Store;
  readonly config: Config;
}

/** Delivers the push as GitHub would and resolves with its runs when they have ended. */
async function pushAndWatch({ url, secret, sha, title, store, config }: Push): Promise<readonly RunWithJobs[]> {
  say(`\n${title} (${sha.slice(0, 7)})\n`);
  const pushedAt = performance.now();
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    after: sha,
    deleted: false,
    repository: REPOSITORY,
    sender: { login: 'you' },
  });
  const response = await fetch(`${url}/webhook`, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
  });
  if (response.status !== 202)
    throw new Error(`the push was answered with ${response.status}: ${await response.text()}`);
  say(`  answered 202 after ${(performance.now() - pushedAt).toFixed(0)} ms: the push is on disk\n`);
  const ids = await runsOf(store, sha);
  const runs = await watchRuns({
    store,
    logs: openJobLogs(config.dataDirectory),
    ids,
    context: { json: false, write: say },
  });
  say(`  push → verdict: ${((performance.now() - pushedAt) / 1000).toFixed(2)} s\n`);
  return runs;
}

/** The planner makes them within milliseconds; none at all would be a bug that must not look like success. */
async function runsOf(store: Store, sha: string): Promise<readonly number[]> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const found = await store.runsOfSha(sha);
    if (found.length > 0) return found.map(({ run }) => run.id);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('no run was made of the push within 30 s');
}

function statusRows({ run, jobs }: RunWithJobs): readonly (readonly string[])[] {
  return [runStatus(run), ...jobs.map((job) => jobStatus(run, job))].map(({ context, state, description }) => [
    '',
    context,
    state,
    description,
  ]);
}

function demoConfig(dataDirectory: string, secret: string, cloneUrl: string): Config {
  const environment = {
    HEARTH_DATA: dataDirectory,
    HEARTH_LISTEN: '127.0.0.1:0',
    HEARTH_WEBHOOK_SECRET: secret,
    HEARTH_REPOS: `${DEMO_OWNER}/${DEMO_NAME}`,
    HEARTH_CLONE_URL: cloneUrl,
    HEARTH_SLOTS: '2',
  };
  const config = parseConfig(environment, null, { cores: 2, home: tmpdir(), from: tmpdir() });
  if (!config.ok) throw new Error(config.problem.map(formatProblem).join('\n'));
  return config.value;
}

function say(text: string | Uint8Array): void {
  process.stdout.write(text);
}

const stop = new AbortController();
// A terminal sends the signal to every process of its group, and npm hands it on as well: the second one must not end the
// clean-up that the first began.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (!stop.signal.aborted) say('\nStopping, and removing what the demo made …\n');
    stop.abort();
  });
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
  process.exitCode = await demo({ once: args.includes('--once'), fails: args.includes('--fail') }, stop.signal);
}
