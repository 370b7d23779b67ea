/** What a job runs in and what runs beside it: `container` and `services` of a job. */
import { failed, success, type Result } from './result.ts';
import { shown } from './shown.ts';
import { splitWords } from './words.ts';

/** May hold `${{ }}` expressions. */
type Template = string;

/** `container` of a job. Its `env` is part of the job's own. */
export interface ContainerSpec {
  /** Filled in when the job starts; then empty = the run's sidecar, as on GitHub. */
  readonly image: Template;
  readonly readOnly: boolean;
}

/** One entry of `services`. Texts are filled in when the job starts. */
export interface ServiceSpec {
  /** Also its name in the job's network. */
  readonly name: string;
  readonly image: Template;
  readonly env: Readonly<Record<string, Template>>;
  readonly ports: readonly Template[];
  /** One text is split into words; null = the image's own. */
  readonly command: Template | readonly Template[] | null;
  readonly entrypoint: Template | readonly Template[] | null;
  readonly health: HealthTemplate;
  /** `options` as on GitHub; of its flags only those about health are known. */
  readonly options: Template;
  readonly memoryBytes: number;
}

/** What is absent is the image's own. Times are written as `10s`, `1m30s`. */
export interface Health {
  readonly command?: string;
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly startPeriod?: string;
  /** The image's own check is not to run either. */
  readonly isOff?: true;
}

export type HealthTemplate = Omit<Health, 'isOff'>;

/** A service with everything filled in. */
export interface ReadyService {
  readonly name: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly command: readonly string[] | null;
  readonly entrypoint: readonly string[] | null;
  readonly health: Health;
  readonly memoryBytes: number;
}

/** `job.services.<name>` in expressions. */
export interface ServiceContext {
  readonly id: string;
  readonly network: string;
  /** From a port to itself: jobs reach it at `<name>:<port>`. */
  readonly ports: Readonly<Record<string, string>>;
}

export const DEFAULT_SERVICE_MEMORY_BYTES = 4 * 1024 ** 3;

const GO_DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

export function isHealthTime(text: string): boolean {
  return GO_DURATION.test(text);
}

/** As a registry names it: no option, no URL, no id. */
export const imageName = /^[a-z0-9][A-Za-z0-9._:@/-]{0,254}$/;

const flags = {
  '--health-cmd': 'command',
  '--health-interval': 'interval',
  '--health-timeout': 'timeout',
  '--health-start-period': 'startPeriod',
  '--health-retries': 'retries',
} as const;

/** What `docker create` would make of the flags about health, or what is wrong. Other flags are wrong. */
export function healthOptions(text: string): Result<Health, string> {
  const words = splitWords(text);
  if (words === undefined) return failed('a quote is not closed. Close it');
  let health: Health = {};
  for (let at = 0; at < words.length; at++) {
    const [flag = '', ...rest] = (words[at] ?? '').split('=');
    if (flag === '--no-healthcheck') {
      health = { ...health, isOff: true };
      continue;
    }
    if (!isFlag(flag)) {
      return failed(`${shown(flag)} is not known here; only ${Object.keys(flags).join(', ')} are. Remove it`);
    }
    const value = rest.length > 0 ? rest.join('=') : words[++at];
    if (value === undefined || value === '') return failed(`${flag} has no value. Give it one`);
    if (flag === '--health-retries') {
      if (!/^[1-9]\d{0,3}$/.test(value)) return failed(`${flag} must be a number of tries. It is ${shown(value)}`);
      health = { ...health, retries: Number(value) };
    } else {
      if (flag !== '--health-cmd' && !isHealthTime(value))
        return failed(`${flag} must be a time such as 10s. It is ${shown(value)}`);
      health = { ...health, [flags[flag]]: value };
    }
  }
  return success(health);
}

function isFlag(word: string): word is keyof typeof flags {
  return Object.hasOwn(flags, word);
}
