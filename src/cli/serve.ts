/** `hearth serve | web | worker`: runs until it is told to stop. */
import { loadConfig } from '../config.ts';
import { formatProblem } from '../core/problem.ts';
import { AlreadyRunning, startDaemon, type Role } from '../daemon.ts';
import { CannotListen } from '../http/server.ts';
import { createLog } from '../log.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';

/** `stop` is aborted by SIGTERM or Ctrl-C: running jobs then go on in their slots and the next process finds them. */
export async function serve(role: Role, context: VerbContext, stop: AbortSignal): Promise<ExitCode> {
  const config = loadConfig(context.environment);
  if (!config.ok) {
    for (const problem of config.problem) context.complain(formatProblem(problem));
    context.complain(
      `Hearth did not start: ${config.problem.length} ${config.problem.length === 1 ? 'problem' : 'problems'} with the settings.`,
    );
    return exits.usage;
  }
  const log = createLog(config.value.logLevel);
  try {
    await using _daemon = await startDaemon({ config: config.value, role, log, environment: context.environment });
    await aborted(stop);
    log.info('stopping; running jobs go on');
    return exits.good;
  } catch (error) {
    if (!(error instanceof AlreadyRunning || error instanceof CannotListen)) throw error;
    context.complain(error.message);
    return exits.usage;
  }
}

/** Resolves once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
}
