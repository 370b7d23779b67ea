/** The container of a runner: what it is made of, what it may do, and how it gets what it logs in with. */
import type { RunnerStart } from '../core/pool/pool-ports.ts';
import { scopeKey } from '../core/pool/pool.ts';
import { sandboxArgs } from './sandbox.ts';

export interface RunnerContainerPlace {
  readonly label: string;
  /** Program that waits for the host before it becomes the runner; null = nobody waits. */
  readonly holder: string | null;
  /** Of the engine's socket, and the group that may use it; null = the runner gets none. */
  readonly socket: { readonly path: string; readonly group: number } | null;
}

export const RUNNER_LABEL = 'hearth.runner';
export const SCOPE_LABEL = 'hearth.scope';

const HOLDER = '/.hearth/supervisor';
/** Where the login is laid, and where it is taken away from before anything else happens. */
const LOGIN_FOLDER = 'run/hearth';
const LOGIN_FILE = `${LOGIN_FOLDER}/login`;

/**
 * The login is read and removed first. It goes on in the environment, as in GitHub's own controller for Kubernetes: the
 * arguments of a process are seen by everybody on the machine, its environment only by itself. The runner takes it out of the
 * environment of the job.
 */
const TAKE_LOGIN = `set -eu; IFS= read -r login < /${LOGIN_FILE}; rm -f /${LOGIN_FILE};`;
const START_JIT = `${TAKE_LOGIN} export ACTIONS_RUNNER_INPUT_JITCONFIG="$login"; unset login; exec ./run.sh`;
/** For servers without registrations for one job; `--ephemeral` makes it one all the same. */
const START_TOKEN =
  `${TAKE_LOGIN} ACTIONS_RUNNER_INPUT_TOKEN="$login" ./config.sh --unattended --ephemeral --disableupdate ` +
  '--no-default-labels --url "$1" --name "$2" --labels "$3" --runnergroup "$4"; unset login; exec ./run.sh';

/** Arguments for `docker create`. The image's own user and folder stay. */
export function runnerArgs(start: RunnerStart, place: RunnerContainerPlace): readonly string[] {
  const { name, scope, platform, size, imageId, login } = start;
  const words =
    login.kind === 'jit'
      ? ['-c', START_JIT, 'hearth']
      : ['-c', START_TOKEN, 'hearth', login.url, name, login.labels.join(','), String(login.group)];
  const isHeld = place.holder !== null;
  return [
    ...['--name', name, '--hostname', name, '--label', place.label],
    ...['--label', `${RUNNER_LABEL}=${name}`, '--label', `${SCOPE_LABEL}=${scopeKey(scope)}`],
    ...['--platform', platform, '--pull', 'never', '--no-healthcheck'],
    // Jobs of workflows expect `sudo`, and the container is thrown away after one of them.
    ...sandboxArgs({ memoryBytes: size.memoryBytes, mayGainPrivileges: true }),
    ...['--cpus', size.cpus.toFixed(3)],
    // Of its program: it hands signals on to the listener, and says what it does where the engine keeps it.
    ...['--env', 'RUNNER_MANUALLY_TRAP_SIG=1', '--env', 'ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT=1'],
    ...(place.holder === null ? [] : ['--mount', `type=bind,source=${place.holder},target=${HOLDER},readonly`]),
    ...(place.socket === null
      ? []
      : [
          ...['--mount', `type=bind,source=${place.socket.path},target=/var/run/docker.sock`],
          ...['--group-add', String(place.socket.group)],
        ]),
    ...['--entrypoint', isHeld ? HOLDER : 'sh', imageId, ...(isHeld ? ['hold', 'sh'] : []), ...words],
  ];
}

/** What is laid into the container before it starts. Only one process is ever there to read it, and that one removes it. */
export function loginFiles(
  start: RunnerStart,
): readonly { readonly name: string; readonly mode: number; readonly body?: string }[] {
  const { login } = start;
  const secret = login.kind === 'jit' ? login.config : login.token;
  return [
    // Whatever user the image has must be able to remove the file.
    { name: `${LOGIN_FOLDER}/`, mode: 0o777 },
    { name: LOGIN_FILE, mode: 0o444, body: `${secret.reveal()}\n` },
  ];
}
