// What `npm run workloads -- NAME` was asked for, and what it says in the end. Decides only; the task acts.

export const WORKLOADS = ['llama', 'federation'] as const;
export type Workload = (typeof WORKLOADS)[number];

export type Asked =
  | {
      readonly ok: true;
      readonly name: Workload;
      readonly forRun: readonly string[];
      /** Whether a signed push to a daemon asks for it, instead of `hearth run`. */
      readonly byPush: boolean;
      /** Under which name the record of the run is kept; null = it is not. */
      readonly keep: string | null;
    }
  | { readonly ok: false; readonly problem: string };

/** The first argument names the workload, which is a pipeline of this repository; the others are for `hearth run`. */
export function readArguments([name, ...forRun]: readonly string[]): Asked {
  const known = WORKLOADS.find((workload) => workload === name);
  const refused = (problem: string): Asked => ({ ok: false, problem });
  const at = forRun.indexOf('--keep');
  const keep = at === -1 ? null : (forRun[at + 1] ?? '');
  if (keep !== null && !/^[a-z0-9]{1,20}$/.test(keep))
    return refused('--keep needs a name for the record: up to 20 lower-case letters and digits, such as cold.');
  const rest = (at === -1 ? forRun : forRun.toSpliced(at, 2)).filter((arg) => arg !== '--push');
  const byPush = forRun.includes('--push');
  if (byPush && rest.length > 0)
    return refused(`A push runs the whole pipeline; leave ${rest.join(' ')} away, or leave --push away.`);
  if (known !== undefined) return { ok: true, name: known, forRun: rest, byPush, keep };
  const wrong = name === undefined ? 'No workload was named.' : `No workload "${name}".`;
  const usage = `npm run workloads -- ${WORKLOADS.join('|')} [--keep NAME] [--push | OPTIONS OF hearth run]`;
  return refused(`${wrong}\n→ Use: ${usage}`);
}

/** The last line: good is only what the run itself ended with 0 for. */
export function verdictOf(name: Workload, exitCode: number, milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const time = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `workload ${name}: ${exitCode === 0 ? 'success' : `not good, exit code ${exitCode}`} (${time})`;
}
