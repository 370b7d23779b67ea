/** `on.schedule`: times of five fields, as on GitHub, in a time zone. Pure: the moment to count from is an argument. */
import { Cron } from 'croner';

export interface CronEntry {
  /** Minute, hour, day of the month, month, day of the week. */
  readonly cron: string;
  /** A name of the IANA database, such as `Europe/Berlin`. */
  readonly timezone: string;
}

export const DEFAULT_TIMEZONE = 'UTC';

const MONTHS = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC';
const DAYS = 'SUN|MON|TUE|WED|THU|FRI|SAT';
/** What GitHub takes; the library knows more (seconds, `L`, `#`), which would be something else there. */
const FIELDS = [
  { name: 'minute', word: '\\d{1,2}', least: 0, most: 59 },
  { name: 'hour', word: '\\d{1,2}', least: 0, most: 23 },
  { name: 'day of the month', word: '\\d{1,2}', least: 1, most: 31 },
  { name: 'month', word: `\\d{1,2}|${MONTHS}`, least: 1, most: 12 },
  { name: 'day of the week', word: `\\d|${DAYS}`, least: 0, most: 6 },
] as const;

/** Why the text is no time that ever comes, or undefined when it is one. Goes on after the key's name. */
export function cronFault(text: string): string | undefined {
  if (text.length > 200) return 'must be at most 200 characters long';
  const fields = text.trim().split(/[ \t]+/);
  if (fields.length !== FIELDS.length)
    return `must have five fields: minute, hour, day of the month, month, day of the week. It has ${fields.length}; every day at 2:30 is "30 2 * * *"`;
  for (const [index, field] of fields.entries()) {
    const fault = fieldFault(field, FIELDS[index] ?? FIELDS[0]);
    if (fault !== undefined) return fault;
  }
  try {
    return nextTime({ cron: text, timezone: DEFAULT_TIMEZONE }, new Date(0)) === null
      ? 'never comes: no month it names has that day. Correct the day or the month'
      : undefined;
  } catch (cause) {
    return `is no time: ${cause instanceof Error ? cause.message : String(cause)}. Write it as GitHub does`;
  }
}

function fieldFault(field: string, { name, word, least, most }: (typeof FIELDS)[number]): string | undefined {
  const item = new RegExp(`^(?:\\*|(${word})(?:-(${word}))?)(?:/(\\d{1,2}))?$`, 'i');
  for (const part of field.split(',')) {
    const [, from, to, step] = item.exec(part) ?? ['none'];
    const numbers = [from, to].filter((text) => text !== undefined && /^\d+$/.test(text)).map(Number);
    const isForm = item.test(part) && (step === undefined || Number(step) > 0);
    if (!isForm || numbers.some((number) => number < least || number > most))
      return `has ${JSON.stringify(part.slice(0, 40))} for the ${name}, which is ${least} to ${most}, a range such as ${least}-${least + 2}, a list, or a step such as */5 or 2/5. Correct it`;
    if (numbers.length === 2 && (numbers[0] ?? 0) > (numbers[1] ?? 0))
      return `has the range ${part} for the ${name}, which runs backwards. Put the smaller number first`;
  }
  return undefined;
}

/** Why the text names no time zone, or undefined when it does. Goes on after the key's name. */
export function timezoneFault(text: string): string | undefined {
  // An offset such as +01:00 would be one, too, and would not follow the change to summer time.
  const isName = /^(?:UTC|[A-Za-z]{1,30}(?:\/[A-Za-z0-9_+-]{1,40}){1,2})$/.test(text);
  return isName && isKnownZone(text) ? undefined : 'must be the name of a time zone, such as Europe/Berlin or UTC';
}

function isKnownZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch (cause) {
    if (cause instanceof RangeError) return false;
    throw cause;
  }
}

/**
 * The first time after a moment, or null when none comes. A local time that the change to summer time leaves out comes when
 * the clocks have changed; one that happens twice in autumn comes once, unless it is meant for every hour.
 */
export function nextTime({ cron, timezone }: CronEntry, after: Date): Date | null {
  const times = new Cron(withEnds(cron), { paused: true, mode: '5-part', timezone });
  let next = times.nextRun(after);
  // The library leaves out the second one only of a single time of the day.
  while (next !== null && !isEveryHour(cron) && isSecond(next, timezone)) next = times.nextRun(next);
  return next;
}

function isEveryHour(cron: string): boolean {
  return /^\S+[ \t]+(?:\*|0-23)(?:\/0?1)?[ \t]/.test(cron.trim());
}

/** Clocks are put back by an hour at most, and never twice a day. */
const BEFORE_CHANGE_MS = 3 * 60 * 60_000;

/** Whether clocks there showed the same time once before, as they do after they have been put back. */
function isSecond(moment: Date, timezone: string): boolean {
  const time = moment.getTime();
  const before = offsetMs(time - BEFORE_CHANGE_MS, timezone);
  const back = before - offsetMs(time, timezone);
  return back > 0 && offsetMs(time - back, timezone) === before;
}

/** How far the clocks there are ahead of UTC. */
function offsetMs(time: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(time);
  const text = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0'] = /([+-])(\d{2}):(\d{2})/.exec(text) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

/** `20/15` is `20-59/15`, as on GitHub. */
function withEnds(cron: string): string {
  const fields = cron.trim().split(/[ \t]+/);
  return fields
    .map((field, index) => field.replace(/(^|,)(\w+)(?=\/)/g, `$1$2-${FIELDS[index]?.most ?? ''}`))
    .join(' ');
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A window without a time is followed by a larger one, so there are never many times to step over. */
const WINDOWS_MS = [MINUTE_MS, 60 * MINUTE_MS, DAY_MS, 32 * DAY_MS, 366 * DAY_MS, 9 * 366 * DAY_MS];

/** The newest time from `from` up to `now`, both included; null when there is none. */
export function newestTime(entry: CronEntry, from: Date, now: Date): Date | null {
  for (const window of WINDOWS_MS) {
    const start = Math.max(from.getTime(), now.getTime() - window) - 1;
    let newest: Date | null = null;
    let next = nextTime(entry, new Date(start));
    while (next !== null && next.getTime() <= now.getTime()) {
      newest = next;
      next = nextTime(entry, next);
    }
    if (newest !== null || start < from.getTime()) return newest;
  }
  return null;
}
