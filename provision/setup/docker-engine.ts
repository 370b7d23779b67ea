// A Docker engine that answers: the one that runs already, or one installed and started here.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { ensurePackages } from './apt.ts';
import { ensureCgroups } from './cgroups.ts';
import { findCommand, lastLines, mustRun, run } from './command.ts';
import { hasApt, hasSystemd, isRoot } from './host.ts';
import type { Progress } from './progress.ts';
import { SetUpError } from './set-up-error.ts';

const PART = 'Docker engine';
const LOG_FILE = '/var/log/hearth-dockerd.log';
const PID_FILE = '/run/hearth-dockerd.pid';
/** dockerd's own; it refuses to start while the process named in it is alive, whatever that process is. */
const DOCKERD_PID_FILE = '/var/run/docker.pid';
const START_WITHIN = 60_000;
const ASK_EVERY = 100;

/**
 * Makes sure an engine answers at `DOCKER_HOST`, else at the default socket, and returns its version. May be repeated:
 * with a running engine it only asks. As root on a Debian-like system it installs and starts what is missing; the
 * engine it starts outlives this process (log: /var/log/hearth-dockerd.log, pid: /run/hearth-dockerd.pid). Throws
 * SetUpError, saying what to run, when it cannot.
 */
export async function ensureDockerEngine(progress: Progress): Promise<string> {
  const answer = await askEngine();
  if ('version' in answer) return answer.version;
  refuseWhatOnlyAPersonCanFix(answer.problem);
  await installEngine(progress);
  await progress.step(PART, hasSystemd() ? 'starting docker.service' : 'starting dockerd', startEngine);
  const started = await askEngine();
  if ('version' in started) return started.version;
  throw new SetUpError(
    `The Docker engine started but does not answer: ${started.problem}`,
    'Run: docker version\n  and mend what it reports, then run the same command again.',
  );
}

type Answer = { readonly version: string } | { readonly problem: string };

async function askEngine(): Promise<Answer> {
  if (findCommand('docker') === undefined) return { problem: 'the docker command is not installed' };
  const asked = await run('docker', ['version', '--format', '{{.Server.Version}}'], { deadline: 15_000 });
  const version = asked.stdout.trim();
  if (asked.code === 0 && version !== '') return { version };
  return { problem: lastLines(asked.stderr, 1) };
}

function refuseWhatOnlyAPersonCanFix(problem: string): void {
  const host = process.env['DOCKER_HOST'];
  if (host !== undefined && host !== '' && findCommand('docker') !== undefined) {
    throw new SetUpError(
      `No Docker engine answers at DOCKER_HOST=${host}: ${problem}`,
      'Start that engine, or unset DOCKER_HOST to use one on this machine, then run the same command again.',
    );
  }
  if (/permission denied/i.test(problem)) {
    throw new SetUpError(
      'A Docker engine runs, but this user may not talk to it.',
      'Run: sudo usermod -aG docker "$USER"\n  log in again, then run the same command again.',
    );
  }
  if (process.platform !== 'linux') {
    throw new SetUpError(
      `No Docker engine answers: ${problem}`,
      'Start Docker Desktop (or another engine and set DOCKER_HOST), then run the same command again.',
    );
  }
  if (isRoot()) return;
  if (findCommand('dockerd') !== undefined) {
    throw new SetUpError(
      'Docker is installed but not running, and only root may start it.',
      'Run: sudo systemctl start docker && sudo usermod -aG docker "$USER"\n  log in again, then run the same command again.',
    );
  }
  throw new SetUpError(
    'Docker is not installed, and only root may install it.',
    hasApt()
      ? 'Run: sudo apt-get update && sudo apt-get install -y docker.io && sudo usermod -aG docker "$USER"\n' +
          '  log in again, then run the same command again.'
      : 'Install Docker Engine (https://docs.docker.com/engine/install/), then run the same command again.',
  );
}

async function installEngine(progress: Progress): Promise<void> {
  // An engine from another source (docker-ce) conflicts with Debian's packages, so what is there is used.
  if (findCommand('dockerd') !== undefined && findCommand('docker') !== undefined) return;
  await ensurePackages(progress, PART, ['docker.io', 'iptables', ...(await commandLinePackage())]);
}

/** From Debian 13 on the `docker` command is a package of its own. */
async function commandLinePackage(): Promise<readonly string[]> {
  const known = await run('apt-cache', ['pkgnames', 'docker-cli']);
  return known.stdout.split('\n').includes('docker-cli') ? ['docker-cli'] : [];
}

async function startEngine(): Promise<void> {
  if (hasSystemd()) {
    try {
      await mustRun('systemctl', ['enable', '--now', 'docker.service'], { deadline: START_WITHIN });
    } catch (cause) {
      throw new SetUpError(
        (cause as Error).message,
        'Run: journalctl -u docker -n 50\n  mend what it reports, then run the same command again.',
        { cause },
      );
    }
    return;
  }
  await ensureCgroups();
  forgetDeadEngine();
  await waitUntilItAnswers(spawnEngine());
}

/** Removes dockerd's pid file when its process is gone or its number now belongs to something else. */
function forgetDeadEngine(): void {
  const pid = readIfThere(DOCKERD_PID_FILE)?.trim();
  if (pid !== undefined && readIfThere(`/proc/${pid}/comm`)?.trim() !== 'dockerd') rmSync(DOCKERD_PID_FILE);
}

type Started = { ended: string | undefined };

function spawnEngine(): Started {
  const log = openSync(LOG_FILE, 'a');
  const child = spawn(findCommand('dockerd') ?? 'dockerd', [], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    // dockerd calls iptables and modprobe, which live where a user's PATH may not look.
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` },
  });
  closeSync(log);
  const started: Started = { ended: undefined };
  child.once('error', (error) => (started.ended = error.message));
  child.once('exit', (code, signal) => (started.ended = `dockerd ended with ${code ?? signal}`));
  if (child.pid !== undefined) writeFileSync(PID_FILE, `${child.pid}\n`);
  child.unref();
  return started;
}

async function waitUntilItAnswers(started: Started): Promise<void> {
  const deadline = performance.now() + START_WITHIN;
  while (performance.now() < deadline) {
    if ('version' in (await askEngine())) return;
    // Another set-up may have started one a moment earlier; then ours ends and theirs is the one to wait for.
    if (started.ended !== undefined && !engineProcessIsAlive()) throw neverAnswered(started.ended);
    await pause(ASK_EVERY);
  }
  throw neverAnswered(`dockerd did not answer within ${START_WITHIN / 1000} s`);
}

function engineProcessIsAlive(): boolean {
  const pid = readIfThere(DOCKERD_PID_FILE)?.trim();
  return pid !== undefined && readIfThere(`/proc/${pid}/comm`)?.trim() === 'dockerd';
}

function neverAnswered(why: string): SetUpError {
  return new SetUpError(
    `${why}. The end of ${LOG_FILE}:\n${lastLines(readIfThere(LOG_FILE) ?? '', 12)}`,
    `Mend what the log reports (dockerd needs root, cgroups, iptables and overlayfs), then run the same command again.`,
  );
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
