// Four servers side by side: all become ready, all say the same, all end. The first cause of a failure is the one told.
import { differenceOf, judgeCompletion, type Completion, type Report, type ServerReport } from './judge.ts';
import { startServer, ServerError, type Server, type ServerSpec } from './server.ts';

export type SmokeRequest = {
  readonly servers: readonly ServerSpec[];
  readonly prompt: string;
  /** How many tokens each server has to give. */
  readonly count: number;
  readonly say: (line: string) => void;
  /** Ends the run early; servers are stopped all the same. */
  readonly signal: AbortSignal;
};

export type SmokeResult = {
  /** Empty when everything was observed and good; the first is the cause, others came while cleaning up. */
  readonly problems: readonly string[];
  /** Absent when something failed. */
  readonly report: Report | undefined;
};

/** Runs once, and resolves when no process of any server is left, whatever happened. */
export async function smoke({ servers: specs, prompt, count, say, signal }: SmokeRequest): Promise<SmokeResult> {
  const servers: Server[] = [];
  const problems: string[] = [];
  const seen: Omit<ServerReport, 'stop_ms'>[] = [];
  const stopTimes = new Map<string, number>();
  let completions: readonly Completion[] = [];
  try {
    for (const spec of specs) servers.push(startServer(spec));
    completions = await Promise.race([interrupted(signal), Promise.all(servers.map(tryOut))]);
    const difference = differenceOf(completions);
    if (difference !== undefined) problems.push(difference);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    problems.push(error.message);
  } finally {
    const stopped = await Promise.all(servers.map((server) => server.stop()));
    problems.push(...stopped.flatMap((each) => each.problems));
    for (const { server, milliseconds } of stopped) {
      stopTimes.set(server, Math.round(milliseconds));
      say(`${server}: ended after ${Math.round(milliseconds)} ms`);
    }
  }
  const [first] = completions;
  if (problems.length > 0 || first === undefined) return { problems, report: undefined };
  const { tokens, text } = first;
  const reports = seen.map((server) => ({ ...server, stop_ms: stopTimes.get(server.name) ?? 0 }));
  return { problems, report: { machine: process.arch, prompt, tokens, text, servers: reports } };

  async function tryOut(server: Server): Promise<Completion> {
    const { name, port } = server.spec;
    const ready = Math.round(await server.ready());
    say(`${name}: pid ${server.pid}, port ${port}, ready after ${ready} ms`);
    const from = performance.now();
    const question = { prompt, n_predict: count, temperature: 0, seed: 42, ignore_eos: true, return_tokens: true };
    const judged = judgeCompletion({ server: name, count }, await server.post('/completion', question));
    if (!judged.ok) throw new ServerError(judged.problem);
    const took = Math.round(performance.now() - from);
    seen.push({ name, port, ready_ms: ready, completion_ms: took, tokens_predicted: count });
    say(`${name}: ${count} tokens in ${took} ms`);
    return judged.value;
  }
}

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const tell = (): void => reject(new ServerError('Interrupted; all servers were stopped.'));
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
  });
}
