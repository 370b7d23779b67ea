/**
 * Client of the root helper that mounts workspaces (native/mount-helper.c). One long-lived child answers typed
 * requests in order; when it dies, requests under way fail and the next one starts a new child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { failed, success, type Result } from '../core/result.ts';

/** A process that may not be mistaken for a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTime: string;
}

export interface OverlayMount {
  readonly upper: string;
  readonly work: string;
  /** Topmost first. */
  readonly lowers: readonly string[];
}

export interface MountTrouble {
  /** The call that failed, e.g. `umount`. */
  readonly step: string;
  /** The kernel's error number; 16 is EBUSY: something still holds the workspace. */
  readonly errno: number;
  readonly message: string;
}

export interface MountHelper extends AsyncDisposable {
  /** Mounts an overlay at /work of the container whose PID 1 is given. */
  mount(container: ProcessIdentity, overlay: OverlayMount): Promise<Result<void, MountTrouble>>;
  /** Unmounts /work, never lazily. */
  unmount(container: ProcessIdentity): Promise<Result<void, MountTrouble>>;
  /** Takes the control directory out of the container's sight. */
  seal(container: ProcessIdentity): Promise<Result<void, MountTrouble>>;
  /** Whether this host can build such overlays; mounts nothing anywhere. */
  probe(overlay: OverlayMount): Promise<Result<void, MountTrouble>>;
}

export function openMountHelper(program: string): MountHelper {
  let child: ChildProcess | undefined;
  let nextId = 1;
  const waiting = new Map<string, (answer: Result<void, MountTrouble>) => void>();

  function fail(message: string): void {
    child = undefined;
    for (const [id, answer] of waiting) {
      waiting.delete(id);
      answer(failed({ step: 'helper', errno: 0, message }));
    }
  }

  function start(): ChildProcess {
    const started = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'], env: {}, cwd: '/' });
    started.once('error', (error) => {
      fail(`the mount helper could not be started: ${error.message}`);
    });
    started.once('exit', (code, signal) => {
      if (child === started) fail(`the mount helper ended (${signal ?? String(code)})`);
    });
    started.stdin.on('error', () => started.kill());
    createInterface({ input: started.stdout }).on('line', (line) => {
      const [id = '', verdict, step = '', errno = '0', message = ''] = line.split('\t');
      const answer = waiting.get(id);
      waiting.delete(id);
      answer?.(verdict === 'ok' ? success(undefined) : failed({ step, errno: Number(errno), message }));
    });
    return started;
  }

  function request(...fields: readonly string[]): Promise<Result<void, MountTrouble>> {
    if (fields.some((field) => /[\t\n\0]/.test(field))) throw new Error('Internal error: a path with a tab or newline');
    child ??= start();
    const id = String(nextId++);
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      child?.stdin?.write(`${[id, ...fields].join('\t')}\n`);
    });
  }

  return {
    mount: (container, overlay) =>
      request('mount', ...identity(container), overlay.upper, overlay.work, ...overlay.lowers),
    unmount: (container) => request('umount', ...identity(container)),
    seal: (container) => request('seal', ...identity(container)),
    probe: (overlay) => request('probe', overlay.upper, overlay.work, ...overlay.lowers),
    async [Symbol.asyncDispose]() {
      const ending = child;
      child = undefined;
      if (ending === undefined || ending.exitCode !== null) return;
      await new Promise<void>((resolve) => {
        ending.once('exit', () => {
          resolve();
        });
        ending.stdin?.end();
      });
    },
  };
}

function identity(container: ProcessIdentity): [string, string] {
  return [String(container.pid), container.startTime];
}
