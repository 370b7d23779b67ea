/**
 * A problem is trouble that a person can mend: in a pipeline file, in the settings, in a request.
 * Its code is stable and documented in docs/problems.md (a test holds the two together); its message says what to do next.
 */
export const problemCodes = {
  'yaml-syntax': 'The file is not valid YAML.',
  'unknown-key': 'A key that Hearth does not know.',
  'wrong-type': 'A value of the wrong type or shape.',
  'missing-key': 'A required key is absent.',
  'bad-value': 'A value of the right type that is not allowed here.',
  'unknown-need': 'A job needs a job that is not in the file.',
  'self-need': 'A job needs itself.',
  'need-cycle': 'Jobs need each other in a circle.',
  'need-later-phase': 'A job needs a job of a later phase.',
  'unknown-phase': 'A job names a phase that the file does not list.',
  'unknown-action': 'A step uses an action that does not run here.',
  'unknown-cache': 'A job names a cache that the file does not define.',
  'unknown-artifact': 'An artifact is published or needed that its job does not have, or that no step publishes.',
  'bad-expression': 'An expression that is wrong, or stands where none may.',
  'unknown-name': 'An expression reads a name that can never be there.',
  'no-effect': 'A key that is accepted and does nothing; a note, not an error.',
  'bad-matrix': 'A matrix that gives no combination, or more than 256.',
  'empty-pipeline': 'A pipeline without any job.',
  'duplicate-pipeline': 'Two files of one commit give the same pipeline name.',
  'bad-include': 'A file that is included and cannot be, or clashes with another one.',
  'not-dispatchable': 'A pipeline that cannot be started by hand.',
  'bad-input': 'An input of a run by hand that is unknown, missing or does not fit.',
  'missing-setting': 'A required setting is absent.',
  'unknown-setting': 'A setting that Hearth does not know.',
  'bad-setting': 'A setting with a value that is not allowed.',
} as const;

export type ProblemCode = keyof typeof problemCodes;

/** A place in a text: line and column count from 1, as editors show them. */
export interface Position {
  readonly line: number;
  readonly column: number;
  /** Set when it is in another file than the one that is checked: one that this includes. */
  readonly file?: string;
}

export interface Problem {
  readonly code: ProblemCode;
  /** One or two sentences: what is wrong and what to do next. */
  readonly message: string;
  /** Path of the file inside the repository, or the name of the settings source. */
  readonly file?: string;
  readonly position?: Position;
}

/** The problem with the file that its place is in. */
export function placed(problem: Problem): Problem {
  if (problem.position?.file === undefined) return problem;
  const { file, ...position } = problem.position;
  return { ...problem, file, position };
}

/** `file:line:column: message [code]`, the form that editors and terminals turn into links. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.position?.line, problem.position?.column].filter((part) => part !== undefined);
  return `${place.length > 0 ? `${place.join(':')}: ` : ''}${problem.message} [${problem.code}]`;
}

/** The known word nearest to `word`, for "did you mean …", or undefined when none is near (more than a third differs). */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  // Longer than any word we know, and the distance takes time by length.
  if (word.length > 100) return undefined;
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    const limit = Math.floor(Math.max(word.length, candidate.length) / 3);
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { word: candidate, distance };
  }
  return best?.word;
}

/** The least number of single-character edits and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: readonly number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? (beforePrevious[j - 2] ?? 0) + 1 : Infinity;
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution, swap));
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
