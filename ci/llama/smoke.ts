// `node smoke.ts --model FILE --report FILE`: starts four llama-servers of this image and lets them prove themselves. Runs inside
// a container of the image (smoke.sh brings Node), so that what is ended, and what is left, are real processes of it.
// Exit code: 0 good; 1 not; 2 wrong usage; 130 or 143 interrupted.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { smoke } from './smoke-run.ts';
import type { ServerSpec } from './server.ts';

const PORTS = [8080, 8081, 8082, 8083];
const USAGE =
  'Usage: node smoke.ts --model FILE --report FILE [--server PROGRAM] [--ready-within SECONDS] [--ends-within SECONDS]';

const options = read();
if (options === undefined) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  const stop = new AbortController();
  let ending = 0;
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    process.on(signal, () => {
      ending ||= code;
      stop.abort();
    });
  }
  const say = (line: string): void => console.log(line);
  const servers = PORTS.map((port) => specOf(port, options));
  const { problems, report } = await smoke({ servers, prompt: 'Hello', count: 24, say, signal: stop.signal });
  for (const problem of problems) console.error(problem);
  if (report !== undefined) {
    writeFileSync(options.report, `${JSON.stringify(report, null, 2)}\n`);
    console.log(
      `${report.servers.length} servers on ${report.machine} agree on ${report.tokens.length} tokens: ${report.tokens.join(' ')}`,
    );
  }
  process.exitCode = ending || (report === undefined ? 1 : 0);
}

type Options = {
  readonly server: string;
  readonly model: string;
  readonly report: string;
  readonly readyWithin: number;
  readonly endsWithin: number;
};

function read(): Options | undefined {
  try {
    const text = { type: 'string' } as const;
    const known = { server: text, model: text, report: text, 'ready-within': text, 'ends-within': text };
    const { values } = parseArgs({ options: known });
    const { server = '/usr/local/bin/llama-server', model, report } = values;
    const [readyWithin, endsWithin] = [values['ready-within'] ?? '120', values['ends-within'] ?? '10'].map(
      (seconds) => Number(seconds) * 1000,
    );
    if (model === undefined || report === undefined) return undefined;
    if (!isTime(readyWithin) || !isTime(endsWithin)) return undefined;
    return { server, model, report, readyWithin, endsWithin };
  } catch {
    // An option that does not exist; the usage says which do.
    return undefined;
  }
}

function isTime(milliseconds: number | undefined): milliseconds is number {
  return milliseconds !== undefined && milliseconds > 0 && milliseconds <= 3_600_000;
}

function specOf(port: number, { server, model, readyWithin, endsWithin }: Options): ServerSpec {
  // One thread each: ggml's threads wait by spinning, and eight of them on two cores would mostly do that.
  const args = ['--model', model, '--host', '127.0.0.1', '--port', String(port), '--ctx-size', '256'];
  const more = ['--parallel', '1', '--threads', '1', '--threads-http', '2', '--offline'];
  return { name: `server-${port}`, program: server, args: [...args, ...more], port, readyWithin, endsWithin };
}
