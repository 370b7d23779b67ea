/** Measured times: the newest thousand of each kind, and what they come to. */

export interface Figures {
  readonly n: number;
  /** In ms; null without a sample. */
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly max: number | null;
}

/** The value that so many hundredths of the samples do not exceed (nearest rank); null without a sample. */
export function percentile(samples: readonly number[], hundredths: number): number | null {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * hundredths) / 100) - 1)] ?? null;
}

export function figuresOf(samples: readonly number[]): Figures {
  const n = samples.length;
  return {
    n,
    mean: n === 0 ? null : rounded(samples.reduce((sum, sample) => sum + sample, 0) / n),
    p50: rounded(percentile(samples, 50)),
    p95: rounded(percentile(samples, 95)),
    max: rounded(percentile(samples, 100)),
  };
}

const KEPT = 1000;

export interface Samples {
  add(kind: string, ms: number): void;
  figures(): Readonly<Record<string, Figures>>;
}

export function createSamples(): Samples {
  const kinds = new Map<string, number[]>();
  return {
    add(kind, ms) {
      const samples = kinds.get(kind) ?? [];
      if (samples.push(ms) > KEPT) samples.shift();
      kinds.set(kind, samples);
    },
    figures: () => Object.fromEntries([...kinds].map(([kind, samples]) => [kind, figuresOf(samples)])),
  };
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 100) / 100;
}
