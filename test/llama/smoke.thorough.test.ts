/** The smoke program on small real servers, one of which misbehaves in the ways that real ones were seen to. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { commandOf, listenersAt } from '../../ci/llama/processes.ts';
import { smoke, type SmokeResult } from '../../ci/llama/smoke-run.ts';
import type { ServerSpec } from '../../ci/llama/server.ts';

const FAKE = new URL('fake-server.ts', import.meta.url).pathname;
const LONG = 60_000;

type Rig = SmokeResult & {
  readonly lines: readonly string[];
  readonly ports: readonly number[];
  readonly took: number;
};

const folders: string[] = [];

afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-smoke-'));
  folders.push(folder);
  return folder;
}

/** Servers with these behaviours, all of which `limits` hold for. Afterwards none of their ports may be listened at. */
async function tryOut(
  behaviours: readonly string[],
  limits: Partial<ServerSpec> = {},
  interruptWhenOneIsReady?: AbortController,
): Promise<Rig> {
  const ports = await Promise.all(behaviours.map(freePort));
  const servers = behaviours.map((behaviour, index) => specOf(behaviour, ports[index] ?? 0, limits));
  const lines: string[] = [];
  const from = performance.now();
  const say = (line: string): void => {
    lines.push(line);
    if (line.includes('ready after')) interruptWhenOneIsReady?.abort();
  };
  const { signal } = interruptWhenOneIsReady ?? new AbortController();
  const result = await smoke({ servers, prompt: 'Hello', count: 3, say, signal });
  const took = performance.now() - from;
  expect(ports.flatMap(listenersAt)).toEqual([]);
  expect(await running(ports)).toEqual([]);
  return { ...result, lines, ports, took };
}

function specOf(behaviour: string, port: number, limits: Partial<ServerSpec>): ServerSpec {
  const args = [FAKE, behaviour, String(port)];
  return {
    name: `server-${port}`,
    program: process.execPath,
    args,
    port,
    readyWithin: LONG,
    endsWithin: LONG,
    ...limits,
  };
}

/** Its first bytes alone: Node itself is as large as a film. */
function headerOf(file: string): Buffer {
  const bytes = Buffer.alloc(4096);
  const handle = openSync(file, 'r');
  readSync(handle, bytes, 0, bytes.length, 0);
  closeSync(handle);
  return bytes;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** By the port in their arguments, which only the processes of one test have. */
async function running(ports: readonly number[]): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'args']);
  return stdout.split('\n').filter((line) => line.includes(FAKE) && ports.some((port) => line.endsWith(` ${port}`)));
}

// Each test starts processes and waits for them; on a busy machine that takes its time.
describe('four servers', { timeout: LONG }, () => {
  it('that answer, agree and end are good, and the report has what was seen of each', async () => {
    const { problems, report, lines, ports } = await tryOut(['good', 'loads-first', 'good', 'chatty']);
    expect(problems).toEqual([]);
    expect(report).toMatchObject({ machine: process.arch, tokens: [7, 8, 9], text: 'abc' });
    expect(report?.servers.map(({ port }) => port).toSorted()).toEqual(ports.toSorted());
    expect(report?.servers.every(({ tokens_predicted }) => tokens_predicted === 3)).toBe(true);
    expect(lines.filter((line) => / ready after \d+ ms$/.test(line))).toHaveLength(4);
    expect(lines.filter((line) => / ended after \d+ ms$/.test(line))).toHaveLength(4);
  });

  it('of which one completes differently are not good', async () => {
    const { problems, report } = await tryOut(['good', 'says-something-else']);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/completed differently:\n {2}7 8 9\n {2}7 8 10$/);
    expect(report).toBeUndefined();
  });

  it('of which one counts other tokens than were asked for are not good', async () => {
    const { problems, ports } = await tryOut(['counts-wrong']);
    expect(problems[0]).toContain(`server-${ports[0]}: tokens_predicted is 2, not 3`);
  });
});

describe('a server', { timeout: LONG }, () => {
  it('that dies while it starts fails the run at once, with its name, exit code and last lines', async () => {
    const { problems, report, ports, took } = await tryOut(['good', 'dies']);
    expect(problems).toEqual([
      `server-${ports[1]} (port ${ports[1]}) ended with exit code 1 before it was ready.\n` +
        'Its last lines:\nloading the model\nerror: the model has no tensors',
    ]);
    expect(report).toBeUndefined();
    expect(took).toBeLessThan(LONG / 4);
  });

  it('that loads for ever is not ready when its time is up', async () => {
    const { problems, ports } = await tryOut(['loads-for-ever'], { readyWithin: 1500 });
    expect(problems[0]).toContain(`server-${ports[0]} (port ${ports[0]}) was not ready within 1.5 s; /health: 503 `);
    expect(problems[0]).toContain('Loading model');
  });

  it('that never listens is not ready when its time is up', async () => {
    const { problems } = await tryOut(['silent'], { readyWithin: 800 });
    expect(problems[0]).toMatch(
      /was not ready within 0\.8 s; \/health: no answer: .*ECONNREFUSED.*\nIt said nothing\.$/s,
    );
  });

  it('that dies while it is asked fails the run with its signal and last lines', async () => {
    const { problems, ports } = await tryOut(['good', 'dies-when-asked']);
    expect(problems[0]).toContain(
      `server-${ports[1]} (port ${ports[1]}) was ended by SIGKILL while it was asked for /completion`,
    );
    expect(problems[0]).toContain('Its last lines:\nIllegal instruction');
  });

  it('that dies after its answer, while others are still asked, fails the run', async () => {
    const { problems, report, ports } = await tryOut(['dies-afterwards', 'slow']);
    expect(problems).toEqual([
      `server-${ports[0]} (port ${ports[0]}) ended with exit code 4 before it was told to.\nIt said nothing.`,
    ]);
    expect(report).toBeUndefined();
  });

  it('that does not end on SIGTERM is killed, and that fails the run', async () => {
    const { problems, ports } = await tryOut(['good', 'ignores-term'], { endsWithin: 500 });
    expect(problems).toEqual([`server-${ports[1]} did not end within 0.5 s of SIGTERM and was killed.`]);
  });

  it('that ends badly on SIGTERM fails the run', async () => {
    const { problems, ports } = await tryOut(['ends-badly']);
    expect(problems).toEqual([`server-${ports[0]} ended with exit code 3 after SIGTERM.`]);
  });

  it('that has no handler for SIGTERM and ends by it, as one that is still starting, has ended well', async () => {
    const { problems } = await tryOut(['ends-by-signal']);
    expect(problems).toEqual([]);
  });

  it('that leaves a process behind fails the run, and the process is ended', async () => {
    const { problems, ports } = await tryOut(['leaves-child']);
    const pid = new RegExp(`^server-${ports[0]} left behind process (\\d+) \\(sleep 300\\)\\.$`).exec(
      problems[0] ?? '',
    )?.[1];
    expect(problems).toHaveLength(1);
    expect(commandOf(Number(pid))).toBe('');
  });

  it('whose port is taken is not started, and who has the port is named', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { readonly port: number };
    const servers = [specOf('good', port, {})];
    const signal = new AbortController().signal;
    const { problems } = await smoke({ servers, prompt: 'Hello', count: 3, say: () => undefined, signal });
    holder.close();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^server-${port}: port ${port} is in use by process ${process.pid} \\(`));
  });

  it('whose program is for another machine is not started', async () => {
    const program = join(temporaryFolder(), 'llama-server');
    const header = headerOf(process.execPath);
    header.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18);
    writeFileSync(program, header, { mode: 0o755 });
    const { problems, ports } = await tryOut(['good'], { program });
    const [theirs, ours] = process.arch === 'x64' ? ['arm64', 'x64'] : ['x64', 'arm64'];
    expect(problems).toEqual([
      `server-${ports[0]}: ${program} is built for ${theirs}, and this is ${ours}; build it for this platform`,
    ]);
  });
});

it('a run that is interrupted stops its servers and says so', { timeout: LONG }, async () => {
  const stop = new AbortController();
  const { problems, lines } = await tryOut(['good', 'loads-for-ever'], {}, stop);
  expect(lines[0]).toMatch(/ready after/);
  expect(problems[0]).toBe('Interrupted; all servers were stopped.');
});

it('a run that was interrupted before it began starts nothing that stays', async () => {
  const stop = new AbortController();
  stop.abort();
  const { problems } = await tryOut(['loads-for-ever'], {}, stop);
  expect(problems[0]).toBe('Interrupted; all servers were stopped.');
});

describe('the listeners at a port', () => {
  it('are found by IPv6 as well', async () => {
    const server = createServer().listen(0, '::');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    expect(listenersAt(port)).toEqual([process.pid]);
    server.close();
  });
});

describe('the smoke command', { timeout: LONG }, () => {
  it.each([
    ['no model', ['--report', 'r.json']],
    ['an option that does not exist', ['--model', 'm', '--report', 'r.json', '--port', '1']],
    ['a time that is none', ['--model', 'm', '--report', 'r.json', '--ready-within', 'soon']],
  ])('refuses %s with its usage', async (_, args) => {
    const ended = await promisify(execFile)(process.execPath, ['ci/llama/smoke.ts', ...args]).catch(
      (error: unknown) => error,
    );
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Usage: node smoke.ts --model FILE') as string,
    });
  });

  it('writes no report when a server cannot be started', async () => {
    const folder = temporaryFolder();
    const args = ['ci/llama/smoke.ts', '--model', 'm', '--report', join(folder, 'r.json'), '--server', '/no/such'];
    const ended = await promisify(execFile)(process.execPath, args).catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: 1, stderr: 'server-8080: /no/such does not exist\n' });
    expect(() => readFileSync(join(folder, 'r.json'))).toThrow('ENOENT');
  });
});
