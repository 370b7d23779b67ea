/** Runs one command in an image, closed off from every network, and tells how it ended. */
import { DEFAULT_SERVICE_MEMORY_BYTES } from '../core/containers.ts';
import { failed, success, type Result } from '../core/result.ts';
import type { Engine } from './engine.ts';
import { sandboxArgs } from './sandbox.ts';
import { createTail } from './tail.ts';

export interface RunRequest {
  readonly id: string;
  /** As the image says. */
  readonly platform: string;
  readonly name: string;
  readonly label: string;
  /** The image's entry point is not put before them. */
  readonly words: readonly string[];
  /** Aborting kills the container. */
  readonly signal: AbortSignal;
}

/** How the engine, not the program, says that the kernel does not know the format. */
const NO_HANDLER = /exec user process caused: exec format error|exec [^\n]*: exec format error/;

export interface ImageRun {
  /** null = it was stopped. */
  readonly exitCode: number | null;
  /** The last lines of what it wrote to its standard output. */
  readonly said: readonly string[];
  /** The last lines of both its outputs and of what the engine says. */
  readonly lines: readonly string[];
  /** The kernel did not know the format of the program. */
  readonly hasNoHandler: boolean;
  readonly seconds: string;
}

/** Runs it to its end, or until the signal aborts. The container is gone afterwards. Rejects when the engine fails. */
export async function runToExit(engine: Engine, request: RunRequest): Promise<ImageRun> {
  const { id, name, label, platform, words, signal } = request;
  const [program = '', ...rest] = words;
  await using opened = new AsyncDisposableStack();
  opened.defer(() => engine.remove([name]));
  const began = performance.now();
  const args = [
    ...['--rm', '--pull', 'never', '--platform', platform, '--network', 'none', '--name', name, '--label', label],
    ...sandboxArgs({ memoryBytes: DEFAULT_SERVICE_MEMORY_BYTES }),
    ...['--entrypoint', program, id, ...rest],
  ];
  const call = engine.start(['run', ...args], signal);
  const [both, standard] = [createTail(), createTail()];
  call.stdout.on('data', (piece: Uint8Array) => {
    both.add(piece);
    standard.add(piece);
  });
  call.stderr.on('data', (piece: Uint8Array) => {
    both.add(piece);
  });
  // The command line hands the signal on to a program that need not heed it.
  let killed: Promise<unknown> = Promise.resolve();
  const kill = (): void => {
    // Whether it worked is seen by the removal at the end, which comes after it.
    killed = Promise.allSettled([engine.remove([name])]);
  };
  signal.addEventListener('abort', kill, { once: true });
  opened.defer(async () => {
    signal.removeEventListener('abort', kill);
    await killed;
  });
  const exitCode = await call.exitCode;
  const lines = both.lines();
  if (exitCode === null && !signal.aborted) throw new Error(`docker run could not be started: ${lines.join('; ')}`);
  return {
    exitCode: signal.aborted ? null : exitCode,
    ...{ lines, said: standard.lines(), hasNoHandler: NO_HANDLER.test(lines.join('\n')) },
    seconds: ((performance.now() - began) / 1000).toFixed(1),
  };
}

/** A fact, or a problem. The container is gone afterwards. Rejects when the engine fails. */
export async function runInImage(engine: Engine, request: RunRequest): Promise<Result<string, string>> {
  const { platform, words } = request;
  const text = words.map((word) => (/^[\w./@:=,+-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
  const { exitCode, lines, seconds, hasNoHandler } = await runToExit(engine, request);
  const last = lastLinesOf(lines);
  if (exitCode === null)
    return failed(
      `\`${text}\` had not ended after ${seconds} s and was killed. Correct it, or give it more time.${last}`,
    );
  if (exitCode === 0)
    return success(
      `\`${text}\` ended with exit code 0 after ${seconds} s${lines.length === 0 ? '' : `: ${lines[0] ?? ''}`}.`,
    );
  if (hasNoHandler) {
    const machine = await engine.platform();
    if (machine !== platform)
      return failed(
        `This machine (${machine}) cannot run programs for ${platform}, so \`${text}\` was not run. ` +
          'Install qemu-user-static and binfmt-support, or verify on a machine of that kind.',
      );
  }
  return failed(`\`${text}\` ended with exit code ${exitCode}. Correct the image until it works.${last}`);
}

/** ` Its last lines:` and the lines, as the end of a sentence. */
export function lastLinesOf(lines: readonly string[]): string {
  return lines.length === 0
    ? ' It said nothing.'
    : ` Its last lines:\n${lines.map((line) => `    ${line}`).join('\n')}`;
}
