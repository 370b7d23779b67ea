// One llama-server as a child process: started, watched, asked over HTTP, and ended.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { keepLastLines } from './last-lines.ts';
import { programProblem } from './program.ts';
import { commandOf, listenersAt, processesMarked } from './processes.ts';

export type ServerSpec = {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Of 127.0.0.1; the arguments name it, too. */
  readonly port: number;
  /** Milliseconds until /health has to answer "ok". */
  readonly readyWithin: number;
  /** Milliseconds that it has to end after SIGTERM. */
  readonly endsWithin: number;
};

export type Server = {
  readonly spec: ServerSpec;
  readonly pid: number;
  /**
   * Resolves to the milliseconds since its start once /health answered "ok" and the answer came from this very process.
   * Rejects with a ServerError as soon as it ended, and when its time is up: that is never taken for ready.
   */
  ready(): Promise<number>;
  /** POSTs JSON. Rejects with a ServerError when the server ends meanwhile or the answer is not there within its time. */
  post(path: string, body: unknown): Promise<Answer>;
  /** Sends SIGTERM, SIGKILL only after `endsWithin`; then nothing of it runs any more. May be called again, and never rejects. */
  stop(): Promise<Stopped>;
};

export type Answer = { readonly status: number; readonly body: string };

export type Stopped = { readonly server: string; readonly milliseconds: number; readonly problems: readonly string[] };

/** Says which server, what is wrong, and what it said last. */
export class ServerError extends Error {}

const ASK_EVERY = 100;
/** For one answer: an emulated server takes its time, and one that hangs must be seen as such. */
const ANSWERS_WITHIN = 60_000;
const HEALTH_WITHIN = 10_000;
const GONE_WITHIN = 5_000;

/** Starts a server, or throws a ServerError when its program cannot run here or its port is taken. */
export function startServer(spec: ServerSpec): Server {
  const { name, program, args, port } = spec;
  const problem = programProblem(program);
  if (problem !== undefined) throw new ServerError(`${name}: ${problem}`);
  const holders = listenersAt(port);
  if (holders.length > 0)
    throw new ServerError(`${name}: port ${port} is in use by ${holders.map(described).join(', ')}`);

  const startedAt = performance.now();
  const mark = `LLAMA_SMOKE_ID=${randomUUID()}`;
  const [variable = '', id] = mark.split('=');
  // A group of its own: a signal from a terminal reaches it through us only, and what it starts can be ended with it.
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [variable]: id },
  });
  const said = keepLastLines();
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', said.add);
  const ending = watch(child);
  const hasEnded = (): boolean => ending.how !== undefined;
  let isTold = false;
  let stopped: Promise<Stopped> | undefined;

  const trouble = (what: string): ServerError => {
    const lines = said.text();
    return new ServerError(
      `${name} (port ${port}) ${what}\n${lines === '' ? 'It said nothing.' : `Its last lines:\n${lines}`}`,
    );
  };

  async function untilEnded<T>(work: Promise<T>, doing: string): Promise<T> {
    const end = ending.ended.then((how) => {
      throw trouble(`${how} ${doing}.`);
    });
    try {
      return await Promise.race([work, end]);
    } catch (error) {
      isTold = true;
      throw error;
    }
  }

  async function becomeReady(): Promise<number> {
    let last = 'nothing has listened';
    while (performance.now() - startedAt < spec.readyWithin && !hasEnded()) {
      const left = Math.ceil(startedAt + spec.readyWithin - performance.now());
      const within = Math.max(1, Math.min(HEALTH_WITHIN, left));
      const answer = await ask({ port, path: '/health', within }).catch(
        (error: unknown) => `no answer: ${String(error)}`,
      );
      if (typeof answer !== 'string' && isOk(answer)) {
        const listeners = listenersAt(port);
        if (processesMarked(mark).some((pid) => listeners.includes(pid))) return performance.now() - startedAt;
        throw trouble(`is not who answers at its port: ${listeners.map(described).join(', ')} is.`);
      }
      // A question that the end of the time cut short says nothing about the server.
      if (typeof answer !== 'string') last = `${answer.status} ${answer.body.slice(0, 200)}`;
      else if (performance.now() - startedAt < spec.readyWithin) last = answer;
      await pause(ASK_EVERY);
    }
    if (hasEnded()) throw trouble(`${await ending.ended} before it was ready.`);
    throw trouble(`was not ready within ${spec.readyWithin / 1000} s; /health: ${last}.`);
  }

  async function answerTo(path: string, body: unknown): Promise<Answer> {
    try {
      return await ask({ port, path, within: ANSWERS_WITHIN, body: JSON.stringify(body) });
    } catch (cause) {
      // A connection that breaks is often the first sign of an end; the end says more.
      const how = await Promise.race([ending.ended, pause(GONE_WITHIN, undefined, { ref: false })]);
      const what = how === undefined ? 'gave no answer when asked' : `${how} while it was asked`;
      throw trouble(`${what} for ${path}: ${String(cause)}.`);
    }
  }

  async function end(): Promise<Stopped> {
    const from = performance.now();
    const problems: string[] = [];
    if (!hasEnded() && child.pid !== undefined) {
      child.kill('SIGTERM');
      await Promise.race([ending.ended, pause(spec.endsWithin, undefined, { ref: false })]);
      if (!hasEnded()) {
        problems.push(`${name} did not end within ${spec.endsWithin / 1000} s of SIGTERM and was killed.`);
        child.kill('SIGKILL');
      }
      // Not even SIGKILL ends a process that waits for a disk; it is told as a survivor below.
      const how = await Promise.race([ending.ended, pause(GONE_WITHIN, undefined, { ref: false })]);
      if (how !== undefined && !ending.well && problems.length === 0) problems.push(`${name} ${how} after SIGTERM.`);
    } else if (!isTold) problems.push(trouble(`${await ending.ended} before it was told to.`).message);
    const milliseconds = performance.now() - from;
    const left = processesMarked(mark);
    if (left.length > 0) problems.push(`${name} left behind ${left.map(described).join(', ')}.`);
    left.forEach(kill);
    const deadline = performance.now() + GONE_WITHIN;
    while (processesMarked(mark).length > 0 && performance.now() < deadline) await pause(ASK_EVERY);
    const immortal = processesMarked(mark);
    if (immortal.length > 0) problems.push(`${name}: ${immortal.map(described).join(', ')} survived SIGKILL.`);
    return { server: name, milliseconds, problems };
  }

  return {
    spec,
    pid: child.pid ?? 0,
    ready: () => untilEnded(becomeReady(), 'before it was ready'),
    post: (path, body) => untilEnded(answerTo(path, body), `while it was asked for ${path}`),
    stop: () => (stopped ??= end()),
  };
}

type Ending = {
  /** Resolves, with words for a sentence, when the process has ended and all its output was read. */
  readonly ended: Promise<string>;
  how: string | undefined;
  /** By exit code 0, or by SIGTERM itself: one that is told to end while it starts has no handler for it yet. */
  well: boolean;
};

function watch(child: ChildProcess): Ending {
  const { promise, resolve } = Promise.withResolvers<string>();
  const ending: Ending = { ended: promise, how: undefined, well: false };
  const note = (code: number | null, signal: NodeJS.Signals | null): void => {
    ending.how ??= signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    ending.well = code === 0 || signal === 'SIGTERM';
  };
  const tell = (): void => resolve(ending.how ?? '');
  child.once('error', (error) => {
    ending.how ??= `could not be started (${error.message})`;
    tell();
  });
  // `close` comes after the last output, but never while a grandchild holds the pipe; a moment after `exit` is enough.
  child.once('exit', (code, signal) => {
    note(code, signal);
    setTimeout(tell, 500).unref();
  });
  child.once('close', (code, signal) => {
    note(code, signal);
    tell();
  });
  return ending;
}

type Question = { readonly port: number; readonly path: string; readonly within: number; readonly body?: string };

function ask({ port, path, body, within }: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(within);
    const call = request({ host: '127.0.0.1', port, path, method, headers, agent: false, signal });
    call.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    call.on('error', (error) => reject(signal.aborted ? new Error(`silent for ${within / 1000} s`) : error));
    call.end(body);
  });
}

function isOk({ status, body }: Answer): boolean {
  return status === 200 && /"status"\s*:\s*"ok"/.test(body);
}

function described(pid: number): string {
  return `process ${pid} (${commandOf(pid)})`;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
