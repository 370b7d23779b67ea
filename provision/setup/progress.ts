// What set-up tells the person who waits: one line per long step, with the time it took.

/** Runs `work` as a named long step. Nested steps are not supported: one line is written at a time. */
export type Progress = {
  readonly step: <T>(part: string, what: string, work: () => Promise<T>) => Promise<T>;
  /** A whole line of its own, for something that takes no time. */
  readonly note: (part: string, what: string) => void;
};

type Output = {
  readonly write: (text: string) => void;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
};

/** Progress as lines `hearth set-up: PART: WHAT … 2.1 s`; a failed step ends in `failed after 2.1 s` and rethrows. */
export function openProgress(output: Output = standardError()): Progress {
  return {
    step: async (part, what, work) => {
      const startedAt = output.now();
      output.write(`hearth set-up: ${part}: ${what} … `);
      try {
        const result = await work();
        output.write(`${seconds(output.now() - startedAt)}\n`);
        return result;
      } catch (error) {
        output.write(`failed after ${seconds(output.now() - startedAt)}\n`);
        throw error;
      }
    },
    note: (part, what) => {
      output.write(`hearth set-up: ${part}: ${what}\n`);
    },
  };
}

/** Milliseconds as `2.1 s`. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function standardError(): Output {
  return {
    write: (text) => {
      process.stderr.write(text);
    },
    now: () => performance.now(),
  };
}
