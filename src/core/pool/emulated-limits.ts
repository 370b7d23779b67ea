/** Time limits for containers whose programs are emulated. Pure. */

/**
 * How much longer things take under QEMU. Measured with `debian:bookworm-slim` on one amd64 machine with two cores, against
 * the same container for arm64 (whole `docker run`, native → emulated):
 *
 * - `true`: 0.37 → 0.37 s; the engine's own part is not emulated
 * - a shell that starts 100 processes: 0.47 → 3.2 s (6.8 times)
 * - a shell that counts to 300,000: 1.2 → 9.0 s (7.7 times)
 * - `gzip`, `sha256sum`, `perl`: 2.5 to 4.5 times
 * - a C++ library compiled: 26 → 413 s (16 times)
 */
const FACTORS = {
  /** Until something has started and is there: a few processes and their set-up. */
  start: 8,
  /** Until work is done, whatever it is. */
  work: 16,
} as const;

export interface TimeLimit {
  /** What is allowed natively. */
  readonly ms: number;
  readonly for: keyof typeof FACTORS;
  readonly isEmulated: boolean;
}

/** Milliseconds; of a native container as they were. May be more than one timer can wait (2^31 - 1). */
export function timeLimit({ ms, for: kind, isEmulated }: TimeLimit): number {
  return isEmulated ? ms * FACTORS[kind] : ms;
}
