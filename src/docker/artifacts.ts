/**
 * Captures what a job leaves behind, once its last process is dead and before its workspace goes: copied out of the merged
 * view (a raw upper holds whiteouts), published whole, and from then on a read-only layer like any other.
 */
import { createReadStream, type Dirent } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { artifactKey, isKept, type ArtifactOf, type KeptArtifact } from '../core/artifact.ts';
import type { ArtifactSpec } from '../core/artifact-schema.ts';
import { addReports, parseJunit, type TestReport } from '../core/junit.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim } from '../core/ports.ts';
import { Ended } from './ended.ts';
import type { HeldLayer, LayerId, Layers } from './layers.ts';
import type { Slot } from './slot.ts';
import type { Workspaces, WorkspaceTrouble } from './workspace.ts';

export interface ArtifactParts {
  readonly artifacts: Layers;
  readonly workspaces: Workspaces;
  readonly now: () => Date;
}

export interface Captured {
  readonly kept: readonly KeptArtifact[];
  readonly tests: TestReport | null;
  /** For the log. */
  readonly notes: string;
  /** What a job that passed comes to because of them; null = nothing is wrong. */
  readonly fault: Outcome | null;
}

const NOTHING: Captured = { kept: [], tests: null, notes: '', fault: null };

/** May be repeated for an attempt: what was published before stands. */
export async function keepArtifacts(
  parts: ArtifactParts,
  { job, run }: Claim,
  slot: Slot,
  n: number,
  outcome: Outcome,
): Promise<Captured> {
  if (outcome.result !== 'success' && outcome.result !== 'failure') return NOTHING;
  const kept: KeptArtifact[] = [];
  const reports: TestReport[] = [];
  const faults: Outcome[] = [];
  let notes = '';
  for (const spec of job.spec.artifacts) {
    if (!isKept(spec, outcome.result)) continue;
    const of = { runId: run.id, jobId: job.id, attempt: job.attempt, name: spec.name };
    const captured = await capture(
      parts,
      { repoId: run.repo.id, trust: run.trust, key: artifactKey(of) },
      spec,
      slot,
      n,
    );
    if (typeof captured === 'string') {
      notes += `hearth: ${captured}\n`;
      if (!spec.isOptional) faults.push(error('config', captured));
    } else if (captured.problem !== null) {
      const message = `artifacts.${spec.name}: ${captured.problem.message}`;
      notes += `hearth: ${message}\n`;
      faults.push(error(captured.problem.kind === 'disk' ? 'disk' : 'config', message));
    } else {
      const { path } = captured.layer;
      captured.layer.release();
      const size = await measure(path);
      kept.push({ name: spec.name, ...size, expiresAt: new Date(parts.now().getTime() + spec.expireMs) });
      notes += `hearth: kept artifacts.${spec.name}: ${size.files} ${size.files === 1 ? 'file' : 'files'}, ${size.bytes} bytes\n`;
      if (!spec.isJunit) continue;
      const read = await readReports(path);
      reports.push(read.report);
      for (const problem of read.problems) {
        notes += `hearth: artifacts.${spec.name}: ${problem}\n`;
        faults.push(error('config', `artifacts.${spec.name}: ${problem}`));
      }
    }
  }
  const tests = reports.length === 0 ? null : addReports(reports);
  return { kept, tests, notes, fault: faults[0] ?? null };
}

/** The layers of what earlier jobs left, topmost first. The caller releases them. Throws Ended when one is gone. */
export async function holdArtifacts(
  artifacts: Layers,
  { run, artifacts: wanted }: Claim,
  say: (text: string) => void,
): Promise<readonly HeldLayer[]> {
  const held: HeldLayer[] = [];
  try {
    for (const artifact of wanted) {
      held.unshift(await artifacts.acquire(layerOf(run, artifact), () => Promise.reject(gone(artifact))));
      say(`artifact ${artifact.job}: ${artifact.name}\n`);
    }
    return held;
  } catch (cause) {
    for (const layer of held) layer.release();
    throw cause;
  }
}

export function layerOf(run: Pick<Claim['run'], 'repo' | 'trust'>, artifact: ArtifactOf): LayerId {
  return { repoId: run.repo.id, trust: run.trust, key: artifactKey(artifact) };
}

function gone({ job, name }: ArtifactOf): Ended {
  return new Ended(
    error(
      'config',
      `the artifact ${name} of ${job} is not there any more; run ${job} again, or keep it longer (expire-in)`,
    ),
  );
}

class NothingFound extends Error {}
class NotCaptured extends Error {
  readonly trouble: WorkspaceTrouble;
  constructor(trouble: WorkspaceTrouble) {
    super(trouble.message);
    this.trouble = trouble;
  }
}

type CaptureResult =
  string | { readonly problem: WorkspaceTrouble } | { readonly problem: null; readonly layer: HeldLayer };

async function capture(
  { artifacts, workspaces }: ArtifactParts,
  id: LayerId,
  spec: ArtifactSpec,
  slot: Slot,
  n: number,
): Promise<CaptureResult> {
  try {
    const layer = await artifacts.acquire(id, async (target) => {
      const found = await workspaces.find(slot, spec.paths);
      if (!found.ok) throw new NotCaptured(found.problem);
      if (found.value.length === 0) throw new NothingFound();
      await mkdir(target, { mode: 0o755 });
      const captured = await workspaces.capture(slot, n, found.value, target);
      if (!captured.ok) throw new NotCaptured(captured.problem);
    });
    return { problem: null, layer };
  } catch (cause) {
    if (cause instanceof NothingFound)
      return `artifacts.${spec.name}: nothing matches ${spec.paths.join(', ')}; correct \`paths\`, or say \`optional: true\``;
    if (cause instanceof NotCaptured) return { problem: cause.trouble };
    throw cause;
  }
}

async function measure(folder: string): Promise<{ readonly bytes: number; readonly files: number }> {
  let bytes = 0;
  let files = 0;
  for (const entry of await plainFiles(folder)) {
    bytes += (await stat(join(entry.parentPath, entry.name))).size;
    files += 1;
  }
  return { bytes, files };
}

async function plainFiles(folder: string): Promise<readonly Dirent[]> {
  return (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
}

const MAX_REPORTS = 500;
const MAX_REPORT_BYTES = 32 * 1024 ** 2;

/** Nobody but us can reach the folder by now, and only plain files are opened. */
async function readReports(
  folder: string,
): Promise<{ readonly report: TestReport; readonly problems: readonly string[] }> {
  const files = (await plainFiles(folder)).filter(({ name }) => name.endsWith('.xml'));
  const reports: TestReport[] = [];
  const problems: string[] = [];
  if (files.length === 0) problems.push('there is no .xml file among them, so no JUnit report; correct `paths`');
  if (files.length > MAX_REPORTS) problems.push(`${files.length} reports, of which the first ${MAX_REPORTS} were read`);
  for (const { parentPath, name } of files.slice(0, MAX_REPORTS)) {
    const path = join(parentPath, name);
    const text = await readText(createReadStream(path, { end: MAX_REPORT_BYTES }));
    const parsed = parseJunit(text);
    if (parsed.ok) reports.push(parsed.value);
    else problems.push(`${path.slice(folder.length + 1)} is no JUnit report: ${parsed.problem}`);
  }
  return { report: addReports(reports), problems };
}
