/** What workers say of their slots, of what was ready for jobs and of what they kept, as sentences for `/health`. */
import type { StoreCounts } from '../core/ports.ts';

type Details = StoreCounts['workers'][number]['details'];

/** As the worker writes it; an older one may know less. */
interface Pool {
  readonly idle: number;
  readonly held: number;
  readonly starting: number;
  readonly kinds?: readonly { repoId: number; trust: string; image: string; idle: number }[];
}

interface Warmth {
  readonly slots: Readonly<Record<'warm' | 'ahead' | 'cold', number>>;
  readonly checkouts: HitAndMiss;
  readonly layers: HitAndMiss;
  readonly prepared: { readonly begun: number; readonly failed: number };
}

interface Kept {
  readonly workspaces: number;
  readonly bytes: number;
}

interface HitAndMiss {
  readonly hit: number;
  readonly miss: number;
}

/** `2 idle (repository 7, T1, image 0123: 2), 1 held, 0 starting; jobs found 5 warm, …`; one part for each worker. */
export function slotsText(workers: readonly { readonly details: Details }[]): string {
  const texts = workers.flatMap(({ details }) => {
    if (!isRecord<Pool>(details['pool'], 'held')) return [];
    const { idle, held, starting, kinds = [] } = details['pool'];
    const which = kinds.map(
      ({ repoId, trust, image, idle: n }) => `repository ${repoId}, ${trust}, image ${image}: ${n}`,
    );
    const text = `${idle} idle${which.length === 0 ? '' : ` (${which.join('; ')})`}, ${held} held, ${starting} starting`;
    if (!isRecord<Warmth>(details['warmth'], 'prepared')) return [text];
    const { warm, ahead, cold } = details['warmth'].slots;
    return [`${text}; since it started jobs found ${warm} warm, ${ahead} being started in advance, and ${cold} cold`];
  });
  return texts.length === 0 ? 'none yet' : texts.join(' | ');
}

/** `checkouts: 3 hit, 1 miss; layers: …; prepared in advance for 4 jobs, 0 failed`. */
export function prewarmText(workers: readonly { readonly details: Details }[]): string {
  const texts = workers.flatMap(({ details: { warmth } }) => {
    if (!isRecord<Warmth>(warmth, 'prepared')) return [];
    const { checkouts, layers, prepared } = warmth;
    const counts = ({ hit, miss }: HitAndMiss): string => `${hit} hit, ${miss} miss`;
    const ahead = `prepared in advance for ${prepared.begun} jobs, ${prepared.failed} failed`;
    return [`checkouts: ${counts(checkouts)}; layers: ${counts(layers)}; ${ahead}`];
  });
  return texts.length === 0 ? 'none yet' : texts.join(' | ');
}

/** `3 workspaces, 120 MB`. */
export function keptText(workers: readonly { readonly details: Details }[]): string {
  const texts = workers.flatMap(({ details: { kept } }) =>
    isRecord<Kept>(kept, 'workspaces') ? [`${kept.workspaces} workspaces, ${Math.ceil(kept.bytes / 1e6)} MB`] : [],
  );
  return texts.length === 0 ? 'none yet' : texts.join(' | ');
}

function isRecord<T>(value: unknown, key: keyof T): value is T {
  return typeof value === 'object' && value !== null && key in value;
}
