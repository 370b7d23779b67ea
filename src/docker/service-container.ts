/** The container of a service: what it is started with, and how it is held until its network is restricted. */
import { readFile } from 'node:fs/promises';
import type { Health, ReadyService } from '../core/containers.ts';
import { isErrno } from '../core/errno.ts';
import type { Engine, ImageInfo } from './engine.ts';
import type { ProcessIdentity } from './mount-helper.ts';
import { identityOf } from './process-identity.ts';
import { sandboxArgs } from './sandbox.ts';

export interface ServicePlace {
  readonly network: string;
  readonly labels: readonly string[];
  /** Program that waits for the host before it becomes the image's; null = nobody waits. */
  readonly holder: string | null;
}

const HOLDER = '/.hearth/supervisor';
/** As native/supervisor.c names itself while it waits. */
const HELD_NAME = 'hearth-hold';
const HELD_TIMEOUT_MS = 20_000;

/** Arguments for `docker run`. Throws when neither the file nor the image says what to run. */
export function serviceArgs(service: ReadyService, image: ImageInfo, place: ServicePlace): readonly string[] {
  const { name, env, memoryBytes, entrypoint, command } = service;
  // As the engine does it: another entry point goes without the image's arguments.
  const rest = command ?? (entrypoint === null ? image.command : []);
  const [program, ...words] = [...(entrypoint ?? image.entrypoint), ...rest];
  if (program === undefined) throw new Error('its image has no command; give the service one');
  return [
    ...place.labels.flatMap((label) => ['--label', label]),
    ...['--network', place.network, '--network-alias', name],
    ...sandboxArgs({ memoryBytes }),
    ...healthArgs(service.health),
    ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ...(place.holder === null
      ? ['--entrypoint', program, image.id, ...words]
      : [
          ...['--mount', `type=bind,source=${place.holder},target=${HOLDER},readonly`],
          ...['--entrypoint', HOLDER, image.id, 'hold', program, ...words],
        ]),
  ];
}

function healthArgs(health: Health): readonly string[] {
  if (health.isOff === true) return ['--no-healthcheck'];
  const flags = {
    '--health-cmd': health.command,
    '--health-interval': health.interval,
    '--health-timeout': health.timeout,
    '--health-retries': health.retries,
    '--health-start-period': health.startPeriod,
  };
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
}

/** Restricts the network of a held container and lets its program begin. */
export async function startHeld(
  engine: Engine,
  id: string,
  restrict: (process: ProcessIdentity, resolvConf: string) => Promise<void>,
): Promise<void> {
  const container = await engine.container(id);
  const held = container?.running === true ? identityOf(container.pid) : undefined;
  if (container === undefined || held === undefined) throw new Error('its container ended right after it started');
  await restrict(held, container.resolvConf);
  const deadline = performance.now() + HELD_TIMEOUT_MS;
  while ((await nameOf(held.pid)) !== HELD_NAME) {
    if (performance.now() > deadline || identityOf(held.pid)?.startTime !== held.startTime)
      throw new Error('its container did not begin to wait');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  process.kill(held.pid, 'SIGUSR1');
}

async function nameOf(pid: number): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
