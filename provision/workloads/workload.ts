// What `npm run workloads -- NAME` was asked for, and what it says in the end. Decides only; the task acts.

export const WORKLOADS = ['llama', 'federation'] as const;
export type Workload = (typeof WORKLOADS)[number];

export type Asked =
  | { readonly ok: true; readonly name: Workload; readonly forRun: readonly string[] }
  | { readonly ok: false; readonly problem: string };

/** The first argument names the workload, which is a pipeline of this repository; the others are for `hearth run`. */
export function readArguments([name, ...forRun]: readonly string[]): Asked {
  const known = WORKLOADS.find((workload) => workload === name);
  if (known !== undefined) return { ok: true, name: known, forRun };
  const wrong = name === undefined ? 'No workload was named.' : `No workload "${name}".`;
  const usage = `npm run workloads -- ${WORKLOADS.join('|')} [OPTIONS OF hearth run]`;
  return { ok: false, problem: `${wrong}\n→ Use: ${usage}` };
}

/** The last line: good is only what `hearth run` itself ended with 0 for. */
export function verdictOf(name: Workload, exitCode: number, milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const time = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `workload ${name}: ${exitCode === 0 ? 'success' : `not good, exit code ${exitCode}`} (${time})`;
}
