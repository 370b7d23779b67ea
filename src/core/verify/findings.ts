/** What a look at files gives: whole sentences, each said once. Pure. */

export interface Findings {
  readonly problems: readonly string[];
  /** What was observed. */
  readonly facts: readonly string[];
  /** What was not looked at, and why. */
  readonly unchecked: readonly string[];
}

export function merge(findings: readonly Findings[]): Findings {
  const all = (pick: (one: Findings) => readonly string[]): readonly string[] => [...new Set(findings.flatMap(pick))];
  return {
    problems: all((one) => one.problems),
    facts: all((one) => one.facts),
    unchecked: all((one) => one.unchecked),
  };
}

/** Says for whom a file is wanted that nobody asked about. */
export function forWhom(findings: Findings, shown: string): Findings {
  return { ...findings, problems: findings.problems.map((text) => `${shown} cannot start: ${text}`) };
}

/** One problem and nothing else. */
export function problem(text: string): Findings {
  return { problems: [text], facts: [], unchecked: [] };
}

export function fact(text: string): Findings {
  return { problems: [], facts: [text], unchecked: [] };
}
