// Decides what answers of servers are worth. Pure: no clock, no process, no network.

export type Completion = { readonly server: string; readonly tokens: readonly number[]; readonly text: string };

/** What a smoke run found out on one machine, as it is written to its report. */
export type Report = {
  /** process.arch of the machine, or of the one that is emulated. */
  readonly machine: string;
  readonly prompt: string;
  /** The numbers of the tokens that every server gave; the text may not show all of them. */
  readonly tokens: readonly number[];
  readonly text: string;
  readonly servers: readonly ServerReport[];
};

export type ServerReport = {
  readonly name: string;
  readonly port: number;
  readonly ready_ms: number;
  readonly completion_ms: number;
  readonly tokens_predicted: number;
  readonly stop_ms: number;
};

export type Judged<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

type Asked = { readonly server: string; readonly count: number };

/** Whether an answer to /completion is one: exactly as many tokens as were asked for, counted by the server and there. */
export function judgeCompletion(
  { server, count }: Asked,
  { status, body }: { readonly status: number; readonly body: string },
): Judged<Completion> {
  const bad = (what: string): Judged<Completion> => ({
    ok: false,
    problem: `${server}: ${what}: ${body.slice(0, 300)}`,
  });
  if (status !== 200) return bad(`/completion answered ${status}`);
  const answer = parsed(body);
  if (typeof answer !== 'object' || answer === null) return bad('/completion answered no JSON object');
  const { tokens_predicted: predicted, tokens, content } = answer as Record<string, unknown>;
  if (predicted !== count) return bad(`tokens_predicted is ${String(predicted)}, not ${count}`);
  if (!Array.isArray(tokens) || tokens.length !== count || !tokens.every(Number.isSafeInteger)) {
    return bad(`the answer does not have ${count} tokens`);
  }
  if (typeof content !== 'string') return bad('the answer has no text');
  return { ok: true, value: { server, tokens: tokens as readonly number[], text: content } };
}

/** Undefined when all servers said the same, else who did not. The same model at temperature 0 leaves no choice. */
export function differenceOf(completions: readonly Completion[]): string | undefined {
  const [first, ...others] = completions;
  if (first === undefined) return 'no server completed anything';
  const [other] = others.filter(({ tokens }) => !sameTokens(tokens, first.tokens));
  if (other === undefined) return undefined;
  return `${first.server} and ${other.server} completed differently:\n  ${first.tokens.join(' ')}\n  ${other.tokens.join(' ')}`;
}

/** Undefined when reports of at least two different machines hold the same tokens, else what is wrong, in sentences. */
export function compareReports(reports: readonly Report[]): string | undefined {
  const machines = new Set(reports.map(({ machine }) => machine));
  if (machines.size < 2) {
    return `Reports of ${[...machines].join(', ') || 'no machine'} alone compare nothing; give those of two architectures.`;
  }
  const [first, ...others] = reports;
  const empty = reports.find(({ tokens }) => tokens.length === 0);
  if (first === undefined || empty !== undefined) return `The report of ${empty?.machine} holds no tokens.`;
  const unlike = others.find(({ prompt }) => prompt !== first.prompt);
  if (unlike !== undefined) return `${first.machine} and ${unlike.machine} were asked different things.`;
  const other = others.find(({ tokens }) => !sameTokens(tokens, first.tokens));
  if (other === undefined) return undefined;
  const at = first.tokens.findIndex((token, index) => token !== other.tokens[index]);
  return (
    `${first.machine} and ${other.machine} differ from token ${at + 1} on:\n` +
    `  ${first.machine}: ${first.tokens.join(' ')}\n  ${other.machine}: ${other.tokens.join(' ')}`
  );
}

function sameTokens(some: readonly number[], others: readonly number[]): boolean {
  return some.length === others.length && some.every((token, index) => token === others[index]);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
