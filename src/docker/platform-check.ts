/** Whether containers of a platform run on the engine, as their own `uname -m` says; where asked to, made so. */
import { release } from 'node:os';
import { execa } from 'execa';
import { EMULATOR_PACKAGE, MACHINES, type Machine } from '../core/binfmt.ts';
import { timeLimit } from '../core/pool/emulated-limits.ts';
import { failed, success, unreachable, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';
import { parsePlatform } from '../core/verify/platform.ts';
import type { RunCommand } from './debian-packages.ts';
import { adviceFor, missingStep, repairEmulator, type EmulationHost } from './emulator-repair.ts';
import type { Engine } from './engine.ts';
import { imageForPlatform } from './platform-image.ts';
import { lastLinesOf, runToExit } from './run-in-image.ts';
import { placeOfVerification, sweepVerifications } from './verify-image.ts';

export interface PlatformWish {
  /** `linux/amd64` or `linux/arm64`, also as `arm64`, `aarch64`, … */
  readonly platform: string;
  readonly image: string;
  /** `require`: only where the platform has to be emulated. */
  readonly emulation: 'never' | 'allow' | 'require';
  /** Whether an emulator may be installed on this machine and registered with its kernel. */
  readonly mayInstall: boolean;
}

export interface VerifiedPlatform {
  /** As the engine writes it. */
  readonly platform: string;
  /** What `uname -m` said in a container of the image. */
  readonly machine: string;
  /** The platform is not the engine's own. */
  readonly isEmulated: boolean;
  /** Of the image that said it. Containers are started from it, with `--platform`: its name may mean another platform here. */
  readonly imageId: string;
}

export interface PlatformCheckOptions {
  /** For one container to say what it is, natively; emulated it gets longer. Default: a minute. */
  readonly answerMs?: number;
  /** Aborting ends it at once; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told what is being done, a piece at a time. */
  readonly say?: (text: string) => void;
  /** What of this machine is another one. */
  readonly host?: Partial<PlatformHost>;
}

/** This machine, as far as an emulator is brought to it. */
export interface PlatformHost extends EmulationHost {
  readonly isRoot: boolean;
}

const ANSWER_MS = 60_000;

/**
 * Resolves with what was observed, or with a sentence: what is wrong and what to do next. Nothing is verified but by a
 * container of the image that ran and said its machine. Pulls the image where it is not here. Changes the machine only with
 * `mayInstall`, as root, for a local engine on which containers of the platform do not run. Leaves no container. May be
 * repeated, and by several processes at once. Rejects when the engine fails or the signal aborts.
 */
export async function verifyPlatform(
  engine: Engine,
  wish: PlatformWish,
  options: PlatformCheckOptions = {},
): Promise<Result<VerifiedPlatform, string>> {
  const name = parsePlatform(wish.platform)?.name;
  const machine = MACHINES.find(({ platform }) => platform === name);
  if (machine === undefined)
    return failed(
      `platform ${shown(wish.platform)} is not known. Write ${MACHINES.map(({ platform }) => platform).join(' or ')}.`,
    );
  const native = await engine.platform();
  const refused = refusalOf(wish, machine, native);
  if (refused !== undefined) return failed(refused);
  await sweepVerifications(engine);
  const { signal = new AbortController().signal, say = () => undefined } = options;
  const image = await imageForPlatform(engine, { image: wish.image, platform: machine.platform, signal, say });
  if (!image.ok) return image;
  const isEmulated = machine.platform !== native;
  const asked = {
    ...{ machine, isEmulated, signal, id: image.value, image: wish.image },
    answerMs: timeLimit({ ms: options.answerMs ?? ANSWER_MS, for: 'start', isEmulated }),
  };
  const first = await askMachine(engine, asked);
  if (first.ok || !isEmulated) return first.ok ? first : failed(first.problem.sentence);
  const host = { ...thisHost(), ...options.host };
  const mended = await mend(engine, { wish, machine, native, host, trouble: first.problem });
  if (!mended.ok) return mended;
  const again = await askMachine(engine, asked);
  if (again.ok) return again;
  return failed(
    `${again.problem.sentence} An emulator is registered with the kernel. See what becomes of: ` +
      `docker run --rm --platform ${machine.platform} --entrypoint uname ${wish.image} -m`,
  );
}

/** What can be told without a container. */
function refusalOf({ emulation }: PlatformWish, { platform }: Machine, native: string): string | undefined {
  const isNative = platform === native;
  switch (emulation) {
    case 'allow':
      return undefined;
    case 'require': {
      const others = MACHINES.filter((other) => other.platform !== native).map((other) => other.platform);
      return isNative
        ? `The engine runs ${platform} natively, and emulation: require is for trying emulation. ` +
            `Write emulation: allow or never, or platform: ${others.join(' or ')}.`
        : undefined;
    }
    case 'never':
      return isNative
        ? undefined
        : `The engine runs ${native}, and ${platform} would have to be emulated, which emulation: never forbids. ` +
            `Use a machine of ${platform}, or write emulation: allow (start and work take several times as long), ` +
            `or platform: ${native}.`;
    default:
      return unreachable(emulation);
  }
}

interface Asked {
  readonly id: string;
  readonly image: string;
  readonly machine: Machine;
  readonly isEmulated: boolean;
  readonly answerMs: number;
  readonly signal: AbortSignal;
}

interface Trouble {
  readonly sentence: string;
  /** It may be for want of an emulator. */
  readonly didNotRun: boolean;
}

async function askMachine(engine: Engine, asked: Asked): Promise<Result<VerifiedPlatform, Trouble>> {
  const { id, image, machine, isEmulated, answerMs, signal } = asked;
  signal.throwIfAborted();
  const { platform } = machine;
  const { exitCode, said, lines, hasNoHandler, seconds } = await runToExit(engine, {
    ...placeOfVerification(answerMs),
    ...{ id, platform, words: ['uname', '-m'] },
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
  });
  signal.throwIfAborted();
  const what = `A container of ${image} for ${platform}`;
  if (exitCode === null)
    return failed({
      sentence: `${what} had not said its machine (uname -m) after ${seconds} s and was killed. See what keeps the engine busy, then try again.${lastLinesOf(lines)}`,
      didNotRun: false,
    });
  if (exitCode !== 0)
    return failed({
      sentence: hasNoHandler
        ? `${what} does not run here: the kernel does not know the format of its programs.`
        : `${what} could not be asked for its machine: \`uname -m\` ended with exit code ${exitCode}. Use an image for ${platform} that has uname.${lastLinesOf(lines)}`,
      didNotRun: true,
    });
  const [answer = ''] = said;
  if (said.length !== 1 || answer !== machine.machine)
    return failed({
      sentence: `${what} says ${shown(said.join(' '))} to uname -m instead of ${machine.machine}, so it is not for ${platform}. Use an image whose programs are.`,
      didNotRun: false,
    });
  return success({ platform, machine: answer, isEmulated, imageId: id });
}

interface Mending {
  readonly wish: PlatformWish;
  readonly machine: Machine;
  readonly native: string;
  readonly host: PlatformHost;
  readonly trouble: Trouble;
}

/** Brings the emulator; a success says only that asking again makes sense. */
async function mend(engine: Engine, { wish, machine, native, host, trouble }: Mending): Promise<Result<void, string>> {
  if (!trouble.didNotRun) return failed(trouble.sentence);
  const cannot = `The engine (${native}) does not run containers of ${machine.platform}`;
  if (!(await isLocal(engine)))
    return failed(
      `${cannot}, and it is on another machine, where nothing can be installed from here: ${trouble.sentence} ` +
        `Run there: sudo apt-get install -y --no-install-recommends ${EMULATOR_PACKAGE}`,
    );
  const step = await missingStep(host, machine);
  // Somebody else may have brought it a moment ago.
  if (step === undefined) return success(undefined);
  const advice = adviceFor(host, step);
  if (!wish.mayInstall) return failed(`${cannot}: ${advice}\nOr write install-emulation: true.`);
  if (!host.isRoot) return failed(`${cannot}, and only root may change that: ${advice}`);
  const repaired = await repairEmulator(host, machine);
  return repaired.ok ? repaired : failed(`${cannot}, and that could not be mended: ${repaired.problem}`);
}

/** Whether the engine's containers run on the kernel of this machine: by its own socket, and it names the same kernel. */
async function isLocal(engine: Engine): Promise<boolean> {
  const address = await engine.command(['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}']);
  if (!address.trim().startsWith('unix://')) return false;
  return (await engine.command(['version', '--format', '{{.Server.KernelVersion}}'])).trim() === release();
}

function thisHost(): PlatformHost {
  return { root: '/', isRoot: process.getuid?.() === 0, run };
}

const run: RunCommand = async (command, args, { env = {}, deadline }) => {
  const ended = await execa(command, args, {
    ...{ reject: false, stdin: 'ignore', timeout: deadline },
    env: { LC_ALL: 'C.UTF-8', ...env },
  });
  const { exitCode = null, stdout, stderr, shortMessage = '' } = ended;
  return { code: exitCode, stdout, stderr: stderr === '' ? shortMessage : stderr };
};
