/**
 * Publishes artifacts of a job that goes on: between two steps, with everything in its slot frozen, since what a step left
 * running could otherwise write, or put links, where we read.
 */
import type { KeptArtifact, Publication } from '../core/artifact.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Claim } from '../core/ports.ts';
import type { StepSpec } from '../core/pipeline/pipeline.ts';
import { captureOne, type ArtifactParts } from './artifacts.ts';
import { whileFrozen, type FreezeParts } from './freeze.ts';
import { readPublished, writePublished } from './slot-files.ts';
import { SlotLost, type Slot } from './slot.ts';

export type PublishParts = ArtifactParts & FreezeParts;

/** What became of the artifacts that a step publishes. */
export interface Published extends Publication {
  readonly notes: string;
  /** What the step comes to because of them; null = nothing is wrong. */
  readonly fault: Outcome | null;
}

export interface PublishRequest {
  readonly claim: Claim;
  readonly slot: Slot;
  readonly n: number;
  readonly k: number;
  readonly step: StepSpec;
  readonly stop: AbortSignal;
}

const NOTHING: Published = { names: [], artifacts: [], notes: '', fault: null };

const UNTIL_THE_END = 'hearth: so it is not published now, but kept at the end of the job\n';

/**
 * After a step that succeeded. What it came to is noted in the slot, so that a later process, after later steps, finds the
 * same. Where nothing can be frozen, or read yet, nothing is published, and the artifacts are kept at the end of the job, as all others are.
 */
export async function publishOf(parts: PublishParts, request: PublishRequest): Promise<Published> {
  const { slot, n, k, step, stop } = request;
  if (step.publish === undefined) return NOTHING;
  const noted = await readPublished(slot.directory, n, k);
  if (noted !== undefined) return fromNote(noted);
  if (stop.aborted) return NOTHING;
  const published = await frozenCapture(parts, request, step.publish);
  await writePublished(slot.directory, n, k, JSON.stringify(published));
  return published;
}

async function frozenCapture(
  parts: PublishParts,
  { claim, slot, n }: PublishRequest,
  wanted: readonly string[],
): Promise<Published> {
  try {
    return await whileFrozen(parts, slot, async () => {
      let found = NOTHING;
      for (const spec of claim.job.spec.artifacts.filter(({ name }) => wanted.includes(name))) {
        const one = await captureOne(parts, claim, slot, n, spec);
        // Without root, files of the job may be readable only once its workspace was handed back.
        if (one.trouble === 'failed') {
          found = { ...found, notes: `${found.notes}${one.note}${UNTIL_THE_END}` };
          continue;
        }
        found = {
          names: one.fault === null ? [...found.names, spec.name] : found.names,
          artifacts: one.kept === null ? found.artifacts : [...found.artifacts, one.kept],
          notes: `${found.notes}${one.note.replace(/^hearth: kept /, 'hearth: published ')}`,
          fault: found.fault ?? one.fault,
        };
      }
      return found;
    });
  } catch (cause) {
    if (cause instanceof SlotLost) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { ...NOTHING, notes: `hearth: ${why}\n${UNTIL_THE_END}` };
  }
}

/** For the end of the job: null = it is published, and nothing was there. */
export function byName(published: readonly Publication[]): ReadonlyMap<string, KeptArtifact | null> {
  return new Map(
    published.flatMap(({ names, artifacts }) =>
      names.map((name): [string, KeptArtifact | null] => [name, artifacts.find((one) => one.name === name) ?? null]),
    ),
  );
}

function fromNote(text: string): Published {
  const noted = JSON.parse(text) as Published;
  const artifacts = noted.artifacts.map((one) => ({ ...one, expiresAt: new Date(one.expiresAt) }));
  return { ...noted, artifacts };
}
