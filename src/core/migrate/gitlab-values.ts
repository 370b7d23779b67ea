/** Values that GitLab writes in another form. */
import { isList, tableOf, textOfData, textsOf, type Data } from './gitlab-data.ts';

const units: Readonly<Record<string, number>> = { s: 1 / 60, m: 1, h: 60, d: 1440, w: 10_080, y: 525_960 };

/** Minutes of `1h 30m`, `90 minutes`, `3 hours 30 minutes`, `1 day`; a bare number is seconds. Undefined for other text. */
export function minutesOf(value: Data | undefined): number | undefined {
  const text = (textOfData(value) ?? '').trim().toLowerCase();
  if (/^\d+$/.test(text)) return Number(text) / 60;
  let minutes = 0;
  const rest = text.replace(
    /(\d+(?:\.\d+)?)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|years?|y)(?![a-z])/g,
    (_all, count: string, unit: string) => {
      minutes += Number(count) * (units[unit.charAt(0)] ?? 0);
      return '';
    },
  );
  return rest.replace(/\band\b|[\s,]/g, '') === '' && minutes > 0 ? Math.round(minutes * 100) / 100 : undefined;
}

/** `90s`, `10m`, `1h`, as our start-delay wants it. */
export function delayOf(value: Data | undefined): string | undefined {
  const minutes = minutesOf(value);
  if (minutes === undefined) return undefined;
  if (Number.isInteger(minutes / 60)) return `${minutes / 60}h`;
  return Number.isInteger(minutes) ? `${minutes}m` : `${Math.round(minutes * 60)}s`;
}

const causes: Readonly<Record<string, string>> = {
  script_failure: 'exit',
  job_execution_timeout: 'timeout',
  runner_system_failure: 'infra',
  stuck_or_timeout_failure: 'infra',
  api_failure: 'infra',
  unknown_failure: 'infra',
  scheduler_failure: 'infra',
  data_integrity_failure: 'infra',
  runner_unsupported: 'infra',
  missing_dependency_failure: 'infra',
};

/** `retry` with our words for the causes. */
export function retryOf(value: Data | undefined): unknown {
  const table = tableOf(value);
  if (table === undefined) return value;
  const codes = isList(table.get('exit_codes')) ? textsOf(table.get('exit_codes')) : textsOf(table.get('exit_codes'));
  const names = textsOf(table.get('when'));
  const max = table.get('max') ?? 0;
  if (names.includes('always') || names.length + codes.length === 0) return max;
  const when = [...new Set([...names.map((name) => causes[name] ?? name), ...codes.map((code) => `exit:${code}`)])];
  return { max, when };
}

/** A combination for each product of a mapping of lists, as `parallel: matrix` has them. */
export function combinationsOf(table: ReadonlyMap<string, Data>, most: number): readonly Record<string, string>[] {
  let made: Record<string, string>[] = [{}];
  for (const [name, values] of table) {
    made = made.flatMap((one) => textsOf(values).map((value) => ({ ...one, [name]: value }))).slice(0, most);
  }
  return made;
}
