/** The timetable: the times of `on.schedule` on the default branches, and when each comes next. */
import type { CronEntry } from './cron.ts';
import type { KnownRepo } from './intake.ts';

export interface Timetable {
  /** Those that are known stay as they are, with the time they wait for; all others of the repository go. */
  readonly entries: readonly { readonly pipeline: string; readonly time: CronEntry; readonly next: Date }[];
  /** Pipelines whose file is broken: what they wanted before stays. */
  readonly keep: readonly string[];
}

export interface DueTime {
  readonly id: number;
  readonly known: KnownRepo;
  readonly pipeline: string;
  readonly time: CronEntry;
  /** The time it waits for, now past. */
  readonly due: Date;
}
