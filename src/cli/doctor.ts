/** `hearth doctor`: looks at everything a run needs on this machine and says what to mend. Changes nothing. */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { loadConfig, loadEgressConfig } from '../config.ts';
import { formatProblem } from '../core/problem.ts';
import { openEgress } from '../docker/egress.ts';
import { dockerEngine } from '../docker/engine.ts';
import { openMountHelper } from '../docker/mount-helper.ts';
import { nativePrograms } from '../docker/native.ts';
import { openWorkspaces } from '../docker/workspace.ts';
import { exits, type ExitCode, type VerbContext } from './exit.ts';
import { columns } from './text.ts';

interface Finding {
  readonly name: string;
  /** `note` = it works, but there is something to know. */
  readonly verdict: 'ok' | 'note' | 'bad';
  readonly says: string;
}

const MIN_NODE = 24;
const MIN_FREE_BYTES = 2 * 1024 ** 3;

export async function doctor(context: VerbContext): Promise<ExitCode> {
  const looked = (await Promise.all([git(context), docker(context), workspaces(), egress(context), disk()])).flat();
  const findings = [...node(), ...looked, ...settings(context)];
  if (context.json) context.write(`${JSON.stringify(findings)}\n`);
  else context.write(columns(findings.map(({ name, verdict, says }) => [verdict.toUpperCase(), name, says])));
  return findings.some(({ verdict }) => verdict === 'bad') ? exits.bad : exits.good;
}

function node(): readonly Finding[] {
  const isNew = Number(process.versions.node.split('.')[0]) >= MIN_NODE;
  return [
    {
      name: 'node',
      verdict: isNew ? 'ok' : 'bad',
      says: isNew ? process.version : `${process.version}; install Node ${MIN_NODE} or newer`,
    },
  ];
}

async function git({ environment }: VerbContext): Promise<readonly Finding[]> {
  const { stdout, failed } = await execa('git', ['--version'], {
    reject: false,
    stdin: 'ignore',
    env: { PATH: environment['PATH'] ?? '' },
  });
  return [
    failed
      ? { name: 'git', verdict: 'bad', says: 'not found; install git' }
      : { name: 'git', verdict: 'ok', says: stdout },
  ];
}

async function docker({ environment }: VerbContext): Promise<readonly Finding[]> {
  try {
    return [
      {
        name: 'docker',
        verdict: 'ok',
        says: `engine ${await dockerEngine({ host: environment['DOCKER_HOST'] }).version(5_000)}`,
      },
    ];
  } catch (error) {
    const says = `the engine does not answer (${messageOf(error)}); start it, and let this user reach its socket`;
    return [{ name: 'docker', verdict: 'bad', says }];
  }
}

async function workspaces(): Promise<readonly Finding[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'hearth-doctor-'));
  try {
    const native = await nativePrograms(join(scratch, 'native'));
    const isRoot = process.geteuid?.() === 0;
    await using helper = openMountHelper(native.mountHelper);
    const { strategy, reason } = await openWorkspaces(join(scratch, 'scratch'), isRoot ? helper : undefined);
    const slow = 'jobs run as an unprivileged user and their files are copied, which is slower';
    return [
      { name: 'programs', verdict: 'ok', says: `supervisor and mount helper for ${process.arch}` },
      strategy === 'overlay'
        ? { name: 'workspaces', verdict: 'ok', says: reason }
        : { name: 'workspaces', verdict: 'note', says: `${reason}; ${slow}` },
    ];
  } catch (error) {
    return [{ name: 'programs', verdict: 'bad', says: messageOf(error) }];
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function egress({ environment }: VerbContext): Promise<readonly Finding[]> {
  const config = loadConfig(environment);
  const wanted = config.ok ? config.value.egress : loadEgressConfig(environment);
  // What is wrong with them stands among the settings.
  const wish = 'mode' in wanted ? wanted : wanted.ok ? wanted.value : ({ mode: 'auto', allow: [] } as const);
  try {
    const { isDegraded, reason } = await openEgress(wish, process.geteuid?.() === 0);
    return [{ name: 'egress', verdict: isDegraded ? 'note' : 'ok', says: reason }];
  } catch (error) {
    return [{ name: 'egress', verdict: 'bad', says: messageOf(error) }];
  }
}

async function disk(): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(tmpdir());
  const free = bavail * bsize;
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  return [
    {
      name: 'disk',
      verdict: free < MIN_FREE_BYTES ? 'bad' : 'ok',
      says: free < MIN_FREE_BYTES ? `${text}; free some space` : text,
    },
  ];
}

/** `hearth run` needs no settings, so their absence is worth a note and no more. */
function settings({ environment }: VerbContext): readonly Finding[] {
  const config = loadConfig(environment);
  if (config.ok) return [{ name: 'settings', verdict: 'ok', says: `data in ${config.value.dataDirectory}` }];
  return config.problem.map(
    (problem) =>
      ({
        name: 'settings',
        verdict: problem.code === 'missing-setting' ? 'note' : 'bad',
        says: formatProblem(problem),
      }) as const,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
