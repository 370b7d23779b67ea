/** Which workers a job may go to: `runs-on` asks for labels, `platforms` for a kind of processor. Pure. */
import type { JobSpec } from './pipeline/pipeline.ts';

/** What is known of a worker for this. */
export interface Offer {
  /** Where its jobs run, as Docker writes it: `linux/amd64`; absent = not known. */
  readonly platform?: string;
  /** HEARTH_LABELS. */
  readonly labels?: readonly string[];
}

/** Platforms that a job may name, with their short names. */
export const PLATFORMS: ReadonlyMap<string, string> = new Map([
  ['linux/amd64', 'amd64'],
  ['linux/arm64', 'arm64'],
]);

/** GitHub's own words for a runner of that kind. */
const GITHUB_NAMES: ReadonlyMap<string, string> = new Map([
  ['linux/amd64', 'x64'],
  ['linux/arm64', 'arm64'],
]);

/** `arm64` and `linux/arm64` are the same; undefined for what is no platform. */
export function platformOf(text: string): string | undefined {
  return [...PLATFORMS].find(([long, short]) => text === long || text === short)?.[0];
}

/** In lower case, since labels are compared without regard to it, as on GitHub. */
export function labelsOf({ platform = '', labels = [] }: Offer): ReadonlySet<string> {
  const processor = GITHUB_NAMES.get(platform);
  return new Set(['self-hosted', 'linux', ...(processor === undefined ? [] : [processor]), ...labels].map(lower));
}

type Wish = Pick<JobSpec, 'runsOn' | 'platform'>;

/** Whether a worker offers all that the job asks for. `labels` is what {@link labelsOf} gave for it. */
export function offers({ platform }: Offer, labels: ReadonlySet<string>, wish: Wish): boolean {
  if (wish.platform !== undefined && wish.platform !== platform) return false;
  return wish.runsOn === undefined || wish.runsOn.every((label) => labels.has(lower(label)));
}

/** Why a job that no worker can take never runs; says what to do. */
export function whyNoWorker(workers: readonly Offer[], { runsOn = [], platform }: Wish): string {
  const asked = [
    ...(platform === undefined ? [] : [`platforms: ${platform}`]),
    ...(runsOn.length === 0 ? [] : [`runs-on: ${runsOn.join(', ')}`]),
  ];
  const seen = new Set(workers.map((worker) => [...labelsOf(worker)].join(', ')));
  return (
    `${asked.join(' and ')}: no worker offers that (${[...seen].join('; ')}). ` +
    'Correct it, or give a worker the label with HEARTH_LABELS'
  );
}

function lower(text: string): string {
  return text.toLowerCase();
}
