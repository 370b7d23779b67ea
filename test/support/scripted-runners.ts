/** An engine whose containers are runners in memory: they speak to the stand-in of GitHub directly, when the test lets time pass. */
import type { RunnerContainers } from '../../src/core/pool/pool-ports.ts';
import { scopeKey } from '../../src/core/pool/pool.ts';
import type { RunnerContainer } from '../../src/core/pool/reconcile.ts';
import type { Clock } from '../../src/core/ports.ts';
import { success } from '../../src/core/result.ts';
import type { ActionsGithub } from './actions-github.ts';

export interface ScriptedContainer {
  readonly id: string;
  readonly runner: string;
  readonly scope: string;
  readonly secret: string;
  readonly cpus: number;
  isRunning: boolean;
  exitCode: number | null;
  /** When what it does now is over. */
  until: number;
  hasJob: boolean;
}

export interface ScriptedRunners extends RunnerContainers {
  readonly containers: ReadonlyMap<string, ScriptedContainer>;
  /** All that would have happened in them by now. */
  step(): void;
}

export interface ScriptedRunnersOptions {
  readonly github: ActionsGithub;
  readonly clock: Clock;
  readonly bootMs?: number;
  /** Whether this one dies before it comes online. */
  readonly diesAtStart?: () => boolean;
  /** Whether the start fails, before or after the container was made. */
  readonly startFails?: () => 'before' | 'after' | undefined;
}

export function scriptedRunners(options: ScriptedRunnersOptions): ScriptedRunners {
  const { github, clock, bootMs = 2000, diesAtStart = () => false, startFails = () => undefined } = options;
  const containers = new Map<string, ScriptedContainer>();
  let ids = 0;
  const now = (): number => clock.now().getTime();

  function end(container: ScriptedContainer, exitCode: number): void {
    Object.assign(container, { isRunning: false, exitCode });
    if (exitCode !== 0) github.lose(container.secret);
  }

  return {
    containers,
    step() {
      for (const container of containers.values()) {
        if (!container.isRunning || container.until > now()) continue;
        if (container.hasJob) {
          github.complete(container.secret);
          end(container, 0);
          continue;
        }
        const job = github.poll(container.secret);
        if (job === undefined) end(container, 0);
        else if (job !== null) {
          container.hasJob = true;
          container.until = now() + job.work.ms;
          if (job.work.crashes) end(container, 1);
        }
      }
    },
    list: () =>
      Promise.resolve({
        at: clock.now(),
        list: [...containers.values()].map(({ id, runner, scope, isRunning, exitCode }): RunnerContainer => ({
          ...{ id, runner, scope, isRunning, exitCode },
        })),
      }),
    start({ name, scope, size, login }) {
      const failure = startFails();
      if (failure === 'before') return Promise.reject(new Error('the engine refused'));
      const secret = login.kind === 'jit' ? Buffer.from(login.config.reveal(), 'base64').toString().split(' ')[2] : '';
      const container: ScriptedContainer = {
        ...{ id: `c${(ids += 1)}`, runner: name, scope: scopeKey(scope), secret: secret ?? '', cpus: size.cpus },
        ...{ isRunning: true, exitCode: null, until: now() + bootMs, hasJob: false },
      };
      containers.set(container.id, container);
      if (diesAtStart()) end(container, 1);
      return failure === 'after' ? Promise.reject(new Error('the answer was lost')) : Promise.resolve(container.id);
    },
    remove(id) {
      const container = containers.get(id);
      if (container?.isRunning === true) github.lose(container.secret);
      containers.delete(id);
      return Promise.resolve();
    },
    check: () =>
      Promise.resolve(
        success({
          ...{ platform: 'linux/amd64', machine: 'x86_64', isEmulated: false, imageId: 'sha256:1', version: '2.331.0' },
        }),
      ),
    lastLines: () => Promise.resolve('its last line'),
  };
}
