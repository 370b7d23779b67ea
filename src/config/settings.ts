/** Every setting: its name in the file, its variable, how it is written, and what it is when absent. */
import type { z } from 'zod';
import { pools } from './pools.ts';
import * as values from './values.ts';

/** `from` is the folder of the process, `home` that of its user: what defaults and relative paths are made from. */
export interface Machine {
  readonly cores: number;
  readonly home: string;
  readonly from: string;
}

export interface Setting<T> {
  readonly variable: string;
  readonly schema: z.ZodType<T>;
}

function setting<T>(variable: string, schema: z.ZodType<T>): Setting<T> {
  return { variable, schema };
}

const MIN_LOG_BYTES = 64 * 1024;
const MIN_CACHE_BYTES = 64 * 1024 ** 2;

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export const egressModes = ['auto', 'restricted', 'open'] as const;
export const readRights = ['signed', 'public', 'token'] as const;

/** The file's key is the variable in kebab-case without `hearth-`. */
export const settings = {
  listen: setting('HEARTH_LISTEN', values.listenAddress),
  data: setting('HEARTH_DATA', values.text),
  'webhook-secret': setting('HEARTH_WEBHOOK_SECRET', values.secretList),
  repos: setting('HEARTH_REPOS', values.repoPatterns),
  'public-url': setting('HEARTH_PUBLIC_URL', values.baseUrl),
  'github-token': setting('GITHUB_TOKEN', values.secret),
  'github-app-id': setting('GITHUB_APP_ID', values.wholeNumber(1, Number.MAX_SAFE_INTEGER)),
  'github-app-private-key-file': setting('GITHUB_APP_PRIVATE_KEY_FILE', values.text),
  'github-api-url': setting('GITHUB_API_URL', values.baseUrl),
  'clone-url': setting('HEARTH_CLONE_URL', values.cloneUrl),
  slots: setting('HEARTH_SLOTS', values.wholeNumber(1, 1024)),
  'admin-token': setting('HEARTH_ADMIN_TOKEN', values.secret),
  read: setting('HEARTH_READ', values.oneOf(readRights)),
  'database-url': setting('DATABASE_URL', values.secretUrl('postgres', 'postgresql')),
  'cache-bytes': setting('HEARTH_CACHE_BYTES', values.bytes(MIN_CACHE_BYTES)),
  'log-bytes': setting('HEARTH_LOG_BYTES', values.bytes(MIN_LOG_BYTES)),
  'kept-bytes': setting('HEARTH_KEPT_BYTES', values.bytes(0)),
  'kept-for': setting('HEARTH_KEPT_FOR', values.duration),
  'keep-days': setting('HEARTH_KEEP_DAYS', values.wholeNumber(1, 36_500)),
  labels: setting('HEARTH_LABELS', values.labels),
  'stale-after': setting('HEARTH_STALE_AFTER', values.duration),
  'deadman-url': setting('HEARTH_DEADMAN_URL', values.secretUrl('https', 'http')),
  'notify-url': setting('HEARTH_NOTIFY_URL', values.secretUrl('https', 'http')),
  'objects-url': setting('HEARTH_OBJECTS_URL', values.secretUrl('s3', 'https', 'http')),
  'key-file': setting('HEARTH_KEY_FILE', values.text),
  egress: setting('HEARTH_EGRESS', values.oneOf(egressModes)),
  'egress-allow': setting('HEARTH_EGRESS_ALLOW', values.egressTargets),
  pools: setting('HEARTH_POOLS', pools),
  'log-level': setting('LOG_LEVEL', values.oneOf(logLevels)),
};

export type SettingKey = keyof typeof settings;

/** What was set, by key; absent keys take their default. */
export type Given = { readonly [K in SettingKey]?: (typeof settings)[K] extends Setting<infer T> ? T : never };

export const settingKeys = Object.keys(settings) as SettingKey[];

/** Variables that begin with HEARTH_ and are no setting of the daemon. */
export const otherVariables: readonly string[] = [
  'HEARTH_CONFIG',
  // Where verbs find a running daemon.
  'HEARTH_URL',
];

/** A job's environment carries these (core/job-env.ts); Hearth may run inside one of its own jobs. */
export const jobVariable = /^HEARTH_(?:RUN_ID|JOB|ATTEMPT|PIPELINE)$/;
