/** The engine's side of runner pools: one container for each runner. */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { packTar } from 'modern-tar';
import { timeLimit } from '../core/pool/emulated-limits.ts';
import type { RunnerContainers, RunnerStart } from '../core/pool/pool-ports.ts';
import { isOlder } from '../core/pool/pool.ts';
import type { RunnerContainer } from '../core/pool/reconcile.ts';
import type { Clock } from '../core/ports.ts';
import { failed, success } from '../core/result.ts';
import type { Egress } from './egress.ts';
import type { Engine } from './engine.ts';
import { verifyPlatform } from './platform-check.ts';
import { runToExit } from './run-in-image.ts';
import { RUNNER_LABEL, SCOPE_LABEL, loginFiles, runnerArgs } from './runner-container.ts';
import { startHeld } from './service-container.ts';

export interface RunnersParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly egress: Egress;
  readonly supervisor: string;
  /** Tells those of this data folder from all others. */
  readonly label: string;
  /** For runners of pools with `docker: socket`. */
  readonly socketPath: string;
}

const VERSION_MS = 60_000;
const SAID_LINES = 5;

export function openRunners(parts: RunnersParts): RunnerContainers {
  const { engine, label, egress } = parts;

  async function socketOf(start: RunnerStart) {
    if (start.docker === 'none') return null;
    return { path: parts.socketPath, group: (await stat(parts.socketPath)).gid };
  }

  return {
    async list() {
      const at = parts.clock.now();
      const format = [
        '{{.ID}}',
        '{{.State}}',
        '{{.Status}}',
        `{{.Label "${RUNNER_LABEL}"}}`,
        `{{.Label "${SCOPE_LABEL}"}}`,
      ];
      const said = await engine.command([
        ...['ps', '--all', '--no-trunc', '--filter', `label=${label}`],
        ...['--format', format.join('\t')],
      ]);
      const lines = said.split('\n').filter((line) => line !== '');
      return { at, list: lines.map(containerIn) };
    },

    async start(start) {
      const place = { label, holder: egress.isRestricted ? parts.supervisor : null, socket: await socketOf(start) };
      const id = (await engine.command(['create', ...runnerArgs(start, place)])).trim();
      const files = loginFiles(start).map(({ name, mode, body }) =>
        body === undefined
          ? { header: { name, mode, size: 0, type: 'directory' as const } }
          : { header: { name, mode, size: Buffer.byteLength(body), type: 'file' as const }, body },
      );
      await engine.copyIn(id, '/', await packTar(files));
      await engine.command(['start', id]);
      if (egress.isRestricted)
        await startHeld(engine, id, (process, resolvConf) => egress.restrict(process, { resolvConf }));
      return id;
    },

    remove: (id) => engine.remove([id]),

    lastLines: (id) => engine.logs(id, SAID_LINES),

    async check({ image, platform, emulation, installEmulation, minVersion }, signal) {
      const wish = { platform: platform ?? (await engine.platform()), image, emulation, mayInstall: installEmulation };
      const verified = await verifyPlatform(engine, wish, { signal });
      if (!verified.ok) return verified;
      const { platform: name, imageId, isEmulated } = verified.value;
      const { said } = await runToExit(engine, {
        ...{ id: imageId, platform: name, name: `hearth-version-${randomUUID()}`, label },
        words: ['./bin/Runner.Listener', '--version'],
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeLimit({ ms: VERSION_MS, for: 'start', isEmulated }))]),
      });
      signal.throwIfAborted();
      const version = said.map((line) => /^\d+\.\d+\.\d+/.exec(line)?.[0]).find((found) => found !== undefined);
      if (version === undefined)
        return failed(
          `${image} does not tell the version of its runner; it must have ./bin/Runner.Listener and ./run.sh in its folder, as ghcr.io/actions/actions-runner has`,
        );
      if (isOlder(version, minVersion))
        return failed(`${image} has runner ${version}, and GitHub takes ${minVersion} or newer; name a newer image`);
      return success({ ...verified.value, version });
    },
  };
}

/** What `docker ps` prints: `Exited (137) 3 seconds ago`. */
function containerIn(line: string): RunnerContainer {
  const [id = '', state = '', status = '', runner = '', scope = ''] = line.split('\t');
  const code = /^Exited \((\d+)\)/.exec(status)?.[1];
  const isRunning = !['created', 'exited', 'dead', 'removing'].includes(state);
  return { id, runner, scope, isRunning, exitCode: code === undefined ? null : Number(code) };
}
