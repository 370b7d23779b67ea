/** Installs packages of Debian, Ubuntu and their kin. Set-up uses it, too. */
import { failed, success, type Result } from '../core/result.ts';

export interface CommandEnd {
  /** null = it was ended by its deadline or a signal, or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of this machine to its end; never rejects. `deadline` in milliseconds. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly deadline: number },
) => Promise<CommandEnd>;

const DEADLINE_MS = 10 * 60_000;
/** Another apt-get may be at work, for a while. */
const LOCK_SECONDS = 120;
const LAST_LINES = 15;

/** Needs root. May be repeated. The problem is what apt-get said last. */
export async function installPackages(run: RunCommand, packages: readonly string[]): Promise<Result<void, string>> {
  const apt = (...args: readonly string[]): Promise<CommandEnd> =>
    run('apt-get', args, { env: { DEBIAN_FRONTEND: 'noninteractive' }, deadline: DEADLINE_MS });
  const install = [
    ...['install', '-y', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${LOCK_SECONDS}`],
    ...packages,
  ];
  // Package lists are often fresh enough; updating first would cost every time some seconds.
  if ((await apt(...install)).code === 0) return success(undefined);
  for (const args of [['update'], install]) {
    const { code, stdout, stderr } = await apt(...args);
    if (code === 0) continue;
    const said = (stderr || stdout).trimEnd().split('\n').slice(-LAST_LINES).join('\n');
    return failed(`\`apt-get ${args.join(' ')}\` ended with ${code ?? 'no exit code'}:\n${said}`);
  }
  return success(undefined);
}
