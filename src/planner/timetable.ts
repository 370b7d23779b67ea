/** From the pipelines of the default branch to the times at which they want to run. Pure. */
import type { Timetable } from '../core/timetable.ts';
import { nextTime } from '../core/cron.ts';
import type { FoundPipeline } from './pipelines.ts';

/** A time that is new waits for its next coming after `now`. */
export function timetableOf(found: readonly FoundPipeline[], now: Date): Timetable {
  const entries = found.flatMap(({ name, parsed }) =>
    (parsed.ok ? (parsed.value.on.schedule ?? []) : []).flatMap((time) => {
      const next = nextTime(time, now);
      return next === null ? [] : [{ pipeline: name, time, next }];
    }),
  );
  const alike = new Map(entries.map((entry) => [JSON.stringify([entry.pipeline, entry.time]), entry]));
  return { entries: [...alike.values()], keep: found.filter(({ parsed }) => !parsed.ok).map(({ name }) => name) };
}
