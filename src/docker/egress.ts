/**
 * Keeps containers from private addresses and from this machine. The rules stand in the container's own network
 * namespace, put there from the host by the host's programs; without CAP_NET_ADMIN nobody inside can change them, and
 * without CAP_NET_RAW no packet goes around them. They go when the container goes.
 */
import { open, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { spawn } from 'node:child_process';
import { execa } from 'execa';
import { egressRules, type EgressPlan, type EgressTarget, type Family, type Subnet } from '../core/egress.ts';
import { isErrno } from '../core/errno.ts';
import type { ProcessIdentity } from './mount-helper.ts';
import { identityOf, isAlive } from './process-identity.ts';
import { safeRead } from './safe-read.ts';

export interface EgressWish {
  /** `auto` = restricted where this machine can. */
  readonly mode: 'auto' | 'restricted' | 'open';
  readonly allow: readonly EgressTarget[];
}

export interface Egress {
  readonly isRestricted: boolean;
  /** One sentence for people; what to do next when it is open against the wish. */
  readonly reason: string;
  /** Whether it is open although that was not asked for. */
  readonly isDegraded: boolean;
  /** Changes when other rules would be made. */
  readonly fingerprint: string;
  /**
   * Puts the rules in force, all at once in the place of earlier ones, and reads them back; rejects when they are not as
   * they should be. Does nothing where egress is open. May be repeated.
   */
  restrict(container: ProcessIdentity, more: EgressMore): Promise<void>;
}

export interface EgressMore {
  /** The engine's file with the container's resolvers, before anything of a job could write to it. */
  readonly resolvConf?: string;
  readonly networks?: readonly Subnet[];
}

const SEARCH = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const programs: Readonly<Record<Family, string>> = { 4: 'iptables', 6: 'ip6tables' };
const DEADLINE_MS = 20_000;

/** Finds out by trying what this machine can. Rejects when `restricted` was asked for and is not possible. */
export async function openEgress({ mode, allow }: EgressWish, isRoot: boolean): Promise<Egress> {
  const openWith = (finding: Pick<Egress, 'reason' | 'isDegraded'>): Egress => ({
    ...{ isRestricted: false, ...finding, fingerprint: 'open' },
    restrict: () => Promise.resolve(),
  });
  if (mode === 'open')
    return openWith({ reason: 'open: jobs may connect to everything, as HEARTH_EGRESS says', isDegraded: false });
  const trouble = isRoot ? await probe() : 'Hearth does not run as root';
  if (trouble !== undefined && mode === 'restricted') {
    throw new Error(
      `HEARTH_EGRESS is restricted, but this machine cannot keep jobs from private networks: ${trouble}. ` +
        'Run Hearth as root with iptables and util-linux installed, or set HEARTH_EGRESS to auto.',
    );
  }
  if (trouble !== undefined) {
    const cure = 'run Hearth as root with iptables and util-linux installed, or set HEARTH_EGRESS=open to accept it';
    const reason = `open: jobs can reach private networks, this machine and cloud metadata (${trouble}); ${cure}`;
    return openWith({ reason, isDegraded: true });
  }
  const opened = allow.map(({ cidr, port }) => `${cidr}${port === null ? '' : ` port ${port}`}`);
  return {
    isRestricted: true,
    isDegraded: false,
    reason: `restricted: private networks and this machine are closed to jobs${opened.length === 0 ? '' : `, but for ${opened.join(', ')}`}`,
    fingerprint: `restricted 1 ${opened.join(' ')}`,
    async restrict(container, { resolvConf, networks = [] }) {
      const files = resolvConf === undefined ? [] : [(await safeRead(resolvConf, 64 * 1024))?.toString('utf8') ?? ''];
      const resolvers = [...new Set([...(await hostResolvers()), ...files.flatMap(nameservers)])];
      await enforce(container, { allow, resolvers, networks, host: hostAddresses() });
    },
  };
}

/** The same rules in an empty network of our own; what does not work there works in no container. */
async function probe(): Promise<string | undefined> {
  const child = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'ignore'], env: SEARCH });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => {
        reject(new Error(`unshare --net ended with code ${String(code)}`));
      });
      child.stdout.once('data', () => {
        resolve();
      });
      child.stdin.write('ready\n');
    });
    const container = identityOf(child.pid ?? 0);
    if (container === undefined) return 'a process ended too early';
    await enforce(container, { allow: [], resolvers: ['192.0.2.53'], host: ['2001:db8::1'], networks: [] });
    return undefined;
  } catch (cause) {
    return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  } finally {
    child.removeAllListeners('exit');
    child.stdin.destroy();
  }
}

async function enforce(container: ProcessIdentity, plan: EgressPlan): Promise<void> {
  const space = await open(`/proc/${container.pid}/ns/net`);
  try {
    const [theirs, own] = await Promise.all([space.stat(), openedStat('/proc/self/ns/net')]);
    // Looked at after the namespace was opened: the number may have been given to another process since.
    if (!isAlive(container)) throw new Error('the container ended before its network was restricted');
    if (theirs.ino === own.ino) throw new Error("Internal error: these are the host's own network rules");
    await Promise.all(
      ([4, 6] as const).map(async (family) => {
        if (family === 6 && !(await hasIpv6(container.pid))) return;
        await enforceFamily(space.fd, egressRules(plan, family), family);
      }),
    );
  } finally {
    await space.close();
  }
}

async function enforceFamily(space: number, rules: readonly string[], family: Family): Promise<void> {
  const program = programs[family];
  const input = ['*filter', '-P OUTPUT ACCEPT', '-F OUTPUT', ...rules, 'COMMIT', ''].join('\n');
  await enter(space, [`${program}-restore`, '--noflush', '--wait', '10'], input);
  const found = (await enter(space, [program, '--wait', '10', '-S', 'OUTPUT'])).split('\n').map((line) => line.trim());
  const wanted = ['-P OUTPUT ACCEPT', ...rules];
  if (found.join('\n') !== wanted.join('\n'))
    throw new Error(`the network rules of a container are not as they were made (${program})`);
}

/** Only the network is entered: the program and all its files are the host's. */
async function enter(space: number, command: readonly string[], input = ''): Promise<string> {
  const { stdout, stderr, failed, shortMessage } = await execa(
    'nsenter',
    [`--net=/proc/${process.pid}/fd/${space}`, ...command],
    {
      input,
      env: SEARCH,
      reject: false,
      timeout: DEADLINE_MS,
    },
  );
  if (failed) throw new Error(`${command[0] ?? ''}: ${stderr.trim() || shortMessage}`);
  return stdout;
}

/** No file says so where the kernel has no IPv6 at all. */
async function hasIpv6(pid: number): Promise<boolean> {
  return (await readIfThere(`/proc/${pid}/net/if_inet6`)) !== undefined;
}

function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
  );
}

/** Where the engine takes its resolvers from: the host's files, or its own settings. */
async function hostResolvers(): Promise<readonly string[]> {
  const paths = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];
  const files = await Promise.all(paths.map(readIfThere));
  return [...files.flatMap((text) => nameservers(text ?? '')), ...(await engineResolvers())];
}

async function engineResolvers(): Promise<readonly string[]> {
  const text = await readIfThere('/etc/docker/daemon.json');
  const found = /"dns"\s*:\s*\[([^\]]*)\]/.exec(text ?? '')?.[1] ?? '';
  return [...found.matchAll(/"([^"]+)"/g)].map(([, address = '']) => address);
}

/** Those of the machine itself are reached over its loopback, which is another one in a container. */
function nameservers(text: string): readonly string[] {
  return [...text.matchAll(/^\s*nameserver\s+([0-9a-f.:]+)/gim)]
    .map(([, address = '']) => address)
    .filter((address) => !address.startsWith('127.') && address !== '::1');
}

async function openedStat(path: string) {
  const file = await open(path);
  try {
    return await file.stat();
  } finally {
    await file.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}
