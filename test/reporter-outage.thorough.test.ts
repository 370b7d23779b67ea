import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Forge, OutgoingStatus } from '../src/core/ports.ts';
import { failed, success } from '../src/core/result.ts';
import { createReporter } from '../src/reporter.ts';
import { makeStatus } from './support/make-status.ts';
import { createOutbox } from './support/outbox.ts';
import { virtualClock } from './support/virtual-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What can go wrong between here and GitHub. `retryAt` is relative, in ms. */
const outageAnswer = fc.oneof(
  fc.constant({ message: 'connection reset', retryMs: null }),
  fc.constant({ message: 'GitHub answered 502', retryMs: null }),
  fc.constant({ message: 'a page of HTML with 200', retryMs: null }),
  fc.record({
    message: fc.constant('GitHub answered 403: rate limit'),
    retryMs: fc.integer({ min: 0, max: 2 * HOUR }),
  }),
  fc.record({ message: fc.constant('GitHub answered 429'), retryMs: fc.integer({ min: 1000, max: 10 * MINUTE }) }),
);

test(
  'an outage of 72 hours with 300 runs of 8 contexts loses no final status and breaks no limit',
  { timeout: 60_000 },
  async () => {
    const RUNS = 300;
    const OUTAGE = 72 * HOUR;
    await fc.assert(
      fc.asyncProperty(
        fc.array(outageAnswer, { minLength: 20, maxLength: 40 }),
        fc.integer(),
        async (answers, seed) => {
          const draw = pseudoRandom(seed);
          const clock = virtualClock();
          const start = clock.monotonicMs();
          const outbox = createOutbox();
          const writes: number[] = [];
          const shown = new Map<string, string>();
          const finals = new Map<string, string>();
          let closedUntil = 0;
          let firstOpen: number | undefined;
          let summaries = 0;
          let summariesDone: number | undefined;
          const forge: Forge = {
            setStatus(status) {
              const now = clock.monotonicMs();
              expect(now, 'inside a retry-after window').toBeGreaterThanOrEqual(closedUntil);
              writes.push(now);
              if (now - start < OUTAGE) {
                const { message, retryMs } = answers[writes.length % answers.length] ?? { message: '', retryMs: null };
                if (retryMs === null) return Promise.resolve(failed({ kind: 'retry', message }));
                closedUntil = now + retryMs;
                return Promise.resolve(
                  failed({ kind: 'retry', message, retryAt: new Date(clock.now().getTime() + retryMs) }),
                );
              }
              firstOpen ??= now;
              const key = `${status.sha}:${status.context}`;
              expect(finals.get(key) === shown.get(key) && status.state === 'pending', 'pending after final').toBe(
                false,
              );
              shown.set(key, status.state);
              if (status.rank === 0 && ++summaries === RUNS) summariesDone = now;
              return Promise.resolve(success(undefined));
            },
          };
          const report = createReporter({
            store: outbox,
            forge,
            clock,
            random: { hex: () => '', fraction: draw },
            targetUrl: () => null,
            sleep: clock.sleep,
            onTrouble: () => undefined,
          });

          const events: { readonly at: number; readonly status: OutgoingStatus }[] = [];
          for (let run = 0; run < RUNS; run++) {
            for (let context = 0; context < 8; context++) {
              const isRun = context === 0;
              const name = isRun ? 'hearth/ci' : `hearth/ci/job-${context}`;
              const common = {
                id: run * 8 + context + 1,
                runId: run,
                sha: String(run).padStart(40, '0'),
                context: name,
                job: isRun ? null : `job-${context}`,
              };
              const began = draw() * (OUTAGE - HOUR);
              const isGood = draw() < 0.8;
              events.push({
                at: began,
                status: makeStatus({ ...common, version: 1, state: 'pending', rank: isRun ? 2 : 4 }),
              });
              events.push({
                at: began + draw() * HOUR,
                status: makeStatus({
                  ...common,
                  version: 2,
                  state: isGood ? 'success' : 'failure',
                  rank: isRun ? 0 : isGood ? 3 : 1,
                }),
              });
              finals.set(`${common.sha}:${name}`, isGood ? 'success' : 'failure');
            }
          }
          events.sort((a, b) => a.at - b.at);
          let next = 0;
          while (clock.monotonicMs() - start < OUTAGE + 8 * HOUR) {
            const elapsed = clock.monotonicMs() - start;
            for (; next < events.length && (events[next]?.at ?? 0) <= elapsed; next++) {
              const event = events[next];
              if (event) outbox.want({ ...event.status, desiredAt: clock.now() });
            }
            await report(new AbortController().signal);
            clock.advance(15_000);
          }

          expect(shown).toEqual(finals);
          // To the microsecond: after days of virtual time a difference of two doubles is off by a few nanoseconds.
          const gap = (at: number, before = -HOUR): number => Math.round((at - before) * 1000) / 1000;
          for (const [index, at] of writes.entries()) {
            expect(gap(at, writes[index - 1])).toBeGreaterThanOrEqual(1000);
            expect(gap(at, writes[index - 80])).toBeGreaterThanOrEqual(MINUTE);
            expect(gap(at, writes[index - 500])).toBeGreaterThanOrEqual(HOUR);
          }
          expect((summariesDone ?? Infinity) - (firstOpen ?? 0)).toBeLessThanOrEqual(40 * MINUTE);
        },
      ),
      { numRuns: 3, endOnFailure: true },
    );
  },
);

/** Mulberry32: numbers in [0, 1) that a seed repeats. */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
