/**
 * Captures what a job leaves behind, once its last process is dead and before its workspace goes: copied out of the merged
 * view (a raw upper holds whiteouts), published whole, and from then on a read-only layer like any other.
 */
import { createReadStream } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { artifactKey, isKept, missingDownload, type ArtifactOf, type KeptArtifact } from '../core/artifact.ts';
import type { ArtifactSpec } from '../core/pipeline/artifact-schema.ts';
import { addReports, parseJunit, type TestReport } from '../core/junit.ts';
import { error, type Outcome } from '../core/outcome.ts';
import type { Claim } from '../core/ports.ts';
import { Ended } from './ended.ts';
import type { HeldLayer, LayerId, Layers } from './layers.ts';
import { plainFiles } from './plain-files.ts';
import type { Slot } from './slot.ts';
import type { Workspaces, WorkspaceTrouble } from './workspace.ts';

export interface ArtifactParts {
  readonly artifacts: Layers;
  readonly workspaces: Workspaces;
  readonly now: () => Date;
}

export interface ReportParts extends ArtifactParts {
  /** Masks secrets in what is read from reports. */
  readonly hide: (text: string) => string;
}

/** One artifact, captured or not. */
export interface CapturedOne {
  /** null = nothing was there, or it could not be had. */
  readonly kept: KeptArtifact | null;
  readonly note: string;
  readonly fault: Outcome | null;
  /** What stood in the way of copying it. */
  readonly trouble: WorkspaceTrouble['kind'] | null;
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

/**
 * May be repeated for an attempt: what was published before stands, and what is in `published` is not looked for again (null
 * = nothing was there then).
 */
export async function keepArtifacts(
  parts: ReportParts,
  claim: Claim,
  slot: Slot,
  n: number,
  { outcome, published }: { readonly outcome: Outcome; readonly published: ReadonlyMap<string, KeptArtifact | null> },
): Promise<Captured> {
  if (outcome.result !== 'success' && outcome.result !== 'failure') return NOTHING;
  const kept: KeptArtifact[] = [];
  const reports: TestReport[] = [];
  const faults: Outcome[] = [];
  let notes = '';
  for (const spec of claim.job.spec.artifacts) {
    if (!isKept(spec, outcome.result)) continue;
    const before = published.get(spec.name);
    if (before === null) continue;
    const one =
      before === undefined
        ? await captureOne(parts, claim, slot, n, spec)
        : { kept: { ...before, expiresAt: expiryOf(parts, spec) }, note: '', fault: null, trouble: null };
    notes += one.note;
    if (one.fault !== null) faults.push(one.fault);
    if (one.kept === null) continue;
    kept.push(one.kept);
    if (!spec.isJunit) continue;
    const layer = await parts.artifacts.find(layerOf(claim.run, { ...idOf(claim), ...one.kept, job: claim.job.name }));
    if (layer === undefined) throw new Error('Internal error: an artifact that was captured is not there');
    const read = await readReports(layer.path, parts.hide).finally(() => {
      layer.release();
    });
    if (read.report !== null) reports.push(read.report);
    for (const problem of read.problems) {
      notes += `hearth: artifacts.${spec.name}: ${problem}\n`;
      faults.push(error('config', `artifacts.${spec.name}: ${problem}`));
    }
  }
  const tests = reports.length === 0 ? null : addReports(reports);
  return { kept, tests, notes, fault: faults[0] ?? null };
}

/** The workspace must not change meanwhile: its job is over, or frozen. May be repeated: what is there already stands. */
export async function captureOne(
  parts: ArtifactParts,
  claim: Claim,
  slot: Slot,
  n: number,
  spec: ArtifactSpec,
): Promise<CapturedOne> {
  const { run } = claim;
  const key = artifactKey({ ...idOf(claim), name: spec.name });
  const captured = await capture(parts, { repoId: run.repo.id, trust: run.trust, key }, spec, slot, n);
  if (typeof captured === 'string')
    return {
      kept: null,
      note: `hearth: ${captured}\n`,
      fault: spec.isOptional ? null : error('config', captured),
      trouble: null,
    };
  if (captured.problem !== null) {
    const message = `artifacts.${spec.name}: ${captured.problem.message}`;
    const fault = error(captured.problem.kind === 'disk' ? 'disk' : 'config', message);
    return { kept: null, note: `hearth: ${message}\n`, fault, trouble: captured.problem.kind };
  }
  const { path } = captured.layer;
  captured.layer.release();
  const size = await measure(path);
  const note = `hearth: kept artifacts.${spec.name}: ${size.files} ${size.files === 1 ? 'file' : 'files'}, ${size.bytes} bytes\n`;
  return { kept: { name: spec.name, ...size, expiresAt: expiryOf(parts, spec) }, note, fault: null, trouble: null };
}

function expiryOf({ now }: ArtifactParts, { expireMs }: ArtifactSpec): Date {
  return new Date(now().getTime() + expireMs);
}

function idOf({ job, run }: Claim): Pick<ArtifactOf, 'runId' | 'jobId' | 'attempt'> {
  return { runId: run.id, jobId: job.id, attempt: job.attempt };
}

/** The layers of what earlier jobs left, topmost first. The caller releases them. Throws Ended when one is gone. */
export async function holdArtifacts(
  artifacts: Layers,
  { run, job, artifacts: wanted }: Claim,
  say: (text: string) => void,
): Promise<readonly HeldLayer[]> {
  const missing = missingDownload(job.spec, wanted);
  if (missing !== undefined)
    throw new Ended(
      error(
        'config',
        `there is no artifact ${missing.name} of ${missing.job}: nothing matched its path, it was not to be kept after how ${missing.job} ended, or ${missing.job} is not part of this run`,
      ),
    );
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
  for (const { path } of await plainFiles(folder)) {
    bytes += (await lstat(path)).size;
    files += 1;
  }
  return { bytes, files };
}

const MAX_REPORTS = 500;
const MAX_REPORT_BYTES = 32 * 1024 ** 2;
/** Of one artifact. A hostile MiB takes this process up to a fifth of a second. */
const MAX_REPORTS_MIB = 64;

/** Nobody but us can reach the folder by now, and only plain files are opened. */
async function readReports(
  folder: string,
  hide: ReportParts['hide'],
): Promise<{ readonly report: TestReport | null; readonly problems: readonly string[] }> {
  const files = (await plainFiles(folder)).filter(({ name }) => name.endsWith('.xml'));
  const reports: TestReport[] = [];
  const problems: string[] = [];
  if (files.length === 0) problems.push('there is no .xml file among them, so no JUnit report; correct `paths`');
  if (files.length > MAX_REPORTS) problems.push(`${files.length} reports, of which the first ${MAX_REPORTS} were read`);
  let leftBytes = MAX_REPORTS_MIB * 1024 ** 2;
  for (const { path, name } of files.slice(0, MAX_REPORTS)) {
    if (leftBytes <= 0) {
      problems.push(`${files.length} reports, of which only the first ${MAX_REPORTS_MIB} MiB were read`);
      break;
    }
    leftBytes -= Math.min((await lstat(path)).size, MAX_REPORT_BYTES);
    const text = await readText(createReadStream(path, { end: MAX_REPORT_BYTES }));
    const parsed = parseJunit(text, hide);
    if (parsed.ok) reports.push(parsed.value);
    else problems.push(`${name} is no JUnit report: ${parsed.problem}`);
  }
  // Nothing was seen of any test where no report could be read, and that is not the same as no test.
  return { report: reports.length === 0 ? null : addReports(reports), problems };
}
