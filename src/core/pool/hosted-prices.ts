/**
 * What a minute on GitHub's own Linux machines costs, for comparison. Rates of January 1, 2026, in US dollars, from
 * https://docs.github.com/en/billing/reference/actions-runner-pricing; set HOSTED_PRICES_OF when they are brought up to date.
 */
export const HOSTED_PRICES_OF = '2026-01-01';
export const HOSTED_PRICES_SOURCE = 'https://docs.github.com/en/billing/reference/actions-runner-pricing';

export interface HostedMachine {
  readonly cpus: number;
  readonly usdPerMinute: number;
}

/** By platform, the smallest machine first. */
export const HOSTED_PRICES: ReadonlyMap<string, readonly HostedMachine[]> = new Map([
  [
    'linux/amd64',
    [
      { cpus: 1, usdPerMinute: 0.002 },
      { cpus: 2, usdPerMinute: 0.006 },
      { cpus: 4, usdPerMinute: 0.012 },
      { cpus: 8, usdPerMinute: 0.022 },
      { cpus: 16, usdPerMinute: 0.042 },
      { cpus: 32, usdPerMinute: 0.082 },
      { cpus: 64, usdPerMinute: 0.162 },
      { cpus: 96, usdPerMinute: 0.252 },
    ],
  ],
  [
    'linux/arm64',
    [
      { cpus: 2, usdPerMinute: 0.005 },
      { cpus: 4, usdPerMinute: 0.008 },
      { cpus: 8, usdPerMinute: 0.014 },
      { cpus: 16, usdPerMinute: 0.026 },
      { cpus: 32, usdPerMinute: 0.05 },
      { cpus: 64, usdPerMinute: 0.098 },
    ],
  ],
]);
