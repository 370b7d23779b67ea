/** Reads BuildKit's plain progress: which steps there were, which of them the layer cache answered, and what failed. Pure. */

export interface BuildProgress {
  /** One line of output, without its end. */
  see(line: string): void;
  /** Steps of the Dockerfile but FROM, as BuildKit counts them. */
  readonly layers: { readonly total: number; readonly cached: number };
  /** The step that failed and its exit code; null = none is known. */
  readonly failure: { readonly step: string; readonly exitCode: number | null } | null;
}

/** `#7 [build 2/5] RUN make`; FROM is no step of its own, and neither are those that BuildKit calls internal. */
const STEP = /^#(\d+) \[(?!internal\])(?:[^\]]* )?\d+\/\d+\] (?!FROM )(.+)$/;
const STATE = /^#(\d+) (CACHED|ERROR\b.*)$/;
/** "executor failed running […]: exit code: 2", since version 0.9 "did not complete successfully: exit code: 2". */
const EXIT = /exit code: (\d+)/;

export function readProgress(): BuildProgress {
  const steps = new Map<string, string>();
  const cached = new Set<string>();
  let failed: { readonly step: string; exitCode: number | null } | null = null;
  return {
    see(line) {
      const step = STEP.exec(line);
      if (step?.[1] !== undefined) steps.set(step[1], line.split(' ').slice(1).join(' '));
      const state = STATE.exec(line);
      const id = state?.[1] ?? '';
      if (state?.[2] === 'CACHED' && steps.has(id)) cached.add(id);
      if (state?.[2]?.startsWith('ERROR') === true && steps.has(id))
        failed = { step: steps.get(id) ?? '', exitCode: numberIn(EXIT.exec(state[2])) };
    },
    get layers() {
      return { total: steps.size, cached: cached.size };
    },
    get failure() {
      return failed;
    },
  };
}

function numberIn(found: RegExpExecArray | null): number | null {
  return found?.[1] === undefined ? null : Number(found[1]);
}
