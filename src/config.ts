/**
 * Settings: environment and file become one frozen, checked Config; every problem is reported at once. The only file
 * that reads `process.env`.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EgressConfig } from './config/egress.ts';
import { readFileSettings, type FileSettings } from './config/file.ts';
import { deepFreeze } from './config/freeze.ts';
import {
  jobVariable,
  otherVariables,
  settingKeys,
  settings,
  type Given,
  type logLevels,
  type Machine,
  type readRights,
  type SettingKey,
} from './config/settings.ts';
import type { ListenAddress } from './config/values.ts';
import type { Pool } from './core/pool/pool.ts';
import { nearestWord, type Problem } from './core/problem.ts';
import { failed, success, type Result } from './core/result.ts';
import { Secret } from './core/secrets/secret.ts';

export { loadEgressConfig, type EgressConfig } from './config/egress.ts';

export interface Config {
  readonly listen: ListenAddress;
  /** Absolute. The store, keys, mirrors, layers, slots and logs live below it. */
  readonly dataDirectory: string;
  /** `owner/name` or `owner/*`; compared without regard to case. */
  readonly repos: readonly string[];
  /** Without a slash at its end; null = statuses carry no link. */
  readonly publicUrl: string | null;
  readonly github: GithubConfig;
  /** Template with `{owner}` and `{repo}`. */
  readonly cloneUrl: string;
  readonly slots: number;
  readonly read: (typeof readRights)[number];
  /** What layers and images may take on disk together. */
  readonly cacheBytes: number;
  /** What is kept of one job's output. */
  readonly logBytes: number;
  /** Workspaces of failed jobs: what they may take together, and for how long one is kept. */
  readonly kept: { readonly bytes: number; readonly ms: number };
  readonly keepDays: number;
  readonly labels: readonly string[];
  /** Without a success for so long, `/health` says stale. */
  readonly staleAfterMs: number;
  /** Opens the secrets of jobs. Made when the first one is set; never inside the data folder. */
  readonly keyFile: string;
  readonly egress: EgressConfig;
  /** Runner pools of the settings file. */
  readonly pools: readonly Pool[];
  readonly logLevel: (typeof logLevels)[number];
  readonly secrets: ConfigSecrets;
}

export interface GithubConfig {
  readonly apiUrl: string;
  /** null = statuses are recorded and not sent. */
  readonly credential:
    | null
    | { readonly kind: 'token' }
    | { readonly kind: 'app'; readonly appId: number; readonly privateKeyFile: string };
}

/** Each is wrapped, so that no log line and no error message shows it by accident. */
export interface ConfigSecrets {
  /** At least one; all are accepted, so that a secret can be replaced without losing a delivery. */
  readonly webhook: readonly Secret[];
  readonly githubToken: Secret | null;
  /** null = nothing can be changed over HTTP. */
  readonly adminToken: Secret | null;
  /** URLs count as secrets because they may hold a password or be a capability. */
  readonly deadmanUrl: Secret | null;
  readonly notifyUrl: Secret | null;
  readonly objectsUrl: Secret | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A settings file as it was read. */
export interface SettingsFile {
  readonly path: string;
  readonly text: string;
}

/** The settings, or everything that is wrong with them. The environment wins over the file; an empty variable is an absent one. */
export function parseConfig(
  environment: Environment,
  file: SettingsFile | null,
  machine: Machine,
): Result<Config, readonly Problem[]> {
  const problems: Problem[] = unknownVariables(environment);
  const fromFile: FileSettings = file === null ? { values: new Map(), problems: [] } : readFileSettings(file);
  problems.push(...fromFile.problems);
  const given: Partial<Record<SettingKey, unknown>> = {};
  const refused = new Set<SettingKey>();
  for (const key of settingKeys) {
    const { variable, schema } = settings[key];
    const own = environment[variable];
    const source =
      own !== undefined && own.trim() !== ''
        ? { value: own, place: { file: 'environment' }, name: variable }
        : fromFile.values.get(key);
    if (source === undefined) continue;
    const parsed = schema.safeParse(source.value);
    if (parsed.success) {
      given[key] = parsed.data;
      continue;
    }
    refused.add(key);
    for (const { message } of parsed.error.issues) {
      problems.push({ code: 'bad-setting', message: `${source.name} ${message}.`, ...source.place });
    }
  }
  // `given` holds, per key, what the schema of that key returned.
  const values = given as Given;
  // What a file that cannot be read would have said is not known.
  const isReadable = fromFile.problems.every(({ code }) => code !== 'yaml-syntax' && code !== 'wrong-type');
  problems.push(...(isReadable ? missing(values, refused) : []), ...contradictions(values));
  const config = assemble(values, environment, machine);
  if (`${config.keyFile}/`.startsWith(`${config.dataDirectory}/`)) {
    const message = 'HEARTH_KEY_FILE lies in the data folder, where every backup would hold it. Name a place outside.';
    problems.push({ code: 'bad-setting', message });
  }
  return problems.length > 0 ? failed(problems) : success(config);
}

/**
 * Reads the environment of this process and the settings file: `HEARTH_CONFIG`, else /etc/hearth/hearth.yml, else
 * ./hearth.yml. No file is fine unless one was named. Verbs that need no settings do not call this.
 */
export function loadConfig(environment: Environment = process.env): Result<Config, readonly Problem[]> {
  const machine = { cores: availableParallelism(), home: homedir(), from: process.cwd() };
  const file = readSettingsFile(environment['HEARTH_CONFIG'], machine.from);
  if (file.ok) return parseConfig(environment, file.value, machine);
  const others = parseConfig(environment, null, machine);
  const known = others.ok ? [] : others.problem.filter(({ code }) => code !== 'missing-setting');
  return failed([file.problem, ...known]);
}

/** What verbs need to talk to a running daemon; `url` is null when they shall open the store instead. */
export function loadClientConfig(environment: Environment = process.env): {
  readonly url: string | null;
  readonly adminToken: Secret | null;
} {
  const token = environment['HEARTH_ADMIN_TOKEN']?.trim();
  return {
    url: environment['HEARTH_URL']?.trim().replace(/\/+$/, '') || null,
    adminToken: token ? new Secret(token) : null,
  };
}

function readSettingsFile(named: string | undefined, from: string): Result<SettingsFile | null, Problem> {
  const candidates = named ? [resolve(from, named)] : ['/etc/hearth/hearth.yml', resolve(from, 'hearth.yml')];
  for (const path of candidates) {
    try {
      return success({ path, text: readFileSync(path, 'utf8') });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      if (!named && (code === 'ENOENT' || code === 'ENOTDIR')) continue;
      return failed({
        code: 'bad-setting',
        message: `The settings file cannot be read (${code}); make it readable or correct HEARTH_CONFIG.`,
        file: path,
      });
    }
  }
  return success(null);
}

function unknownVariables(environment: Environment): Problem[] {
  const known = [...settingKeys.map((key) => settings[key].variable), ...otherVariables];
  return Object.keys(environment)
    .filter((name) => name.startsWith('HEARTH_') && !known.includes(name) && !jobVariable.test(name))
    .sort()
    .map((name) => {
      const nearest = nearestSetting(name, known);
      const advice = nearest === undefined ? 'docs/configuration.md lists all settings' : `did you mean ${nearest}?`;
      return { code: 'unknown-setting', message: `Hearth has no setting ${name}; ${advice}`, file: 'environment' };
    });
}

/** All begin alike, so only what comes after that tells them apart. */
function nearestSetting(name: string, known: readonly string[]): string | undefined {
  const bare = (one: string): string => one.replace(/^HEARTH_/, '');
  const nearest = nearestWord(bare(name), known.map(bare));
  return known.find((one) => bare(one) === nearest);
}

function missing(given: Given, refused: ReadonlySet<SettingKey>): Problem[] {
  const advice = {
    'webhook-secret':
      'Set it to the secret that is entered at the webhook on GitHub (make one with: openssl rand -hex 32).',
    repos: 'List the repositories that may run here, as owner/name or owner/*.',
  } as const;
  return (['webhook-secret', 'repos'] as const)
    .filter((key) => given[key] === undefined && !refused.has(key))
    .map((key) => ({ code: 'missing-setting', message: `${settings[key].variable} is not set. ${advice[key]}` }));
}

function contradictions(given: Given): Problem[] {
  const problems: Problem[] = [];
  const report = (message: string): void => {
    problems.push({ code: 'bad-setting', message });
  };
  const appId = given['github-app-id'];
  const keyFile = given['github-app-private-key-file'];
  if ((appId === undefined) !== (keyFile === undefined)) {
    report('GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE belong together; set both or neither.');
  }
  if (given['github-token'] !== undefined && appId !== undefined) {
    report('GITHUB_TOKEN and GITHUB_APP_ID are both set; keep the one that statuses shall be sent with.');
  }
  if (given['database-url'] !== undefined) {
    report('DATABASE_URL is set, but this version keeps its state in SQLite only; remove it.');
  }
  const clone = given['clone-url'];
  const isOneRepo = given.repos?.length === 1 && !given.repos[0]?.endsWith('/*');
  if (clone !== undefined && !isOneRepo && !(clone.includes('{owner}') && clone.includes('{repo}'))) {
    report('HEARTH_CLONE_URL must contain {owner} and {repo}, since HEARTH_REPOS allows more than one repository.');
  }
  return problems;
}

/** Where the service's data is unless it was set, and where verbs that need no settings keep theirs. Absolute. */
export function defaultDataDirectory(environment: Environment = process.env): string {
  const given = environment['HEARTH_DATA']?.trim();
  return given ? resolve(given) : stateDirectory(environment, homedir());
}

function stateDirectory(environment: Environment, home: string): string {
  return join(environment['XDG_STATE_HOME'] || join(home, '.local', 'state'), 'hearth');
}

const DEFAULT_CACHE_BYTES = 20 * 1024 ** 3;
const DEFAULT_LOG_BYTES = 64 * 1024 ** 2;
/** Longer than the 35 days for which a redelivery must be recognised. */
const DEFAULT_KEEP_DAYS = 90;
const DAY_MS = 86_400_000;

function assemble(given: Given, environment: Environment, machine: Machine): Config {
  const absolute = (path: string): string => resolve(machine.from, path.replace(/^~(?=\/|$)/, machine.home));
  const { listen, slots, read, labels } = given;
  return deepFreeze({
    listen: listen ?? { host: '127.0.0.1', port: 9000 },
    dataDirectory: absolute(given.data ?? stateDirectory(environment, machine.home)),
    repos: given.repos ?? [],
    publicUrl: given['public-url'] ?? null,
    github: { apiUrl: given['github-api-url'] ?? 'https://api.github.com', credential: credentialOf(given, absolute) },
    cloneUrl: given['clone-url'] ?? 'https://github.com/{owner}/{repo}.git',
    slots: slots ?? machine.cores,
    read: read ?? 'signed',
    cacheBytes: given['cache-bytes'] ?? DEFAULT_CACHE_BYTES,
    logBytes: given['log-bytes'] ?? DEFAULT_LOG_BYTES,
    kept: { bytes: given['kept-bytes'] ?? 10 * 1024 ** 3, ms: given['kept-for'] ?? DAY_MS },
    keepDays: given['keep-days'] ?? DEFAULT_KEEP_DAYS,
    labels: labels ?? [],
    staleAfterMs: given['stale-after'] ?? DAY_MS,
    keyFile: keyFileOf(given, environment, machine, absolute),
    egress: { mode: given.egress ?? 'auto', allow: given['egress-allow'] ?? [] },
    pools: given.pools ?? [],
    logLevel: given['log-level'] ?? 'info',
    secrets: {
      webhook: given['webhook-secret'] ?? [],
      githubToken: given['github-token'] ?? null,
      adminToken: given['admin-token'] ?? null,
      deadmanUrl: given['deadman-url'] ?? null,
      notifyUrl: given['notify-url'] ?? null,
      objectsUrl: given['objects-url'] ?? null,
    },
  });
}

/** Outside of the data folder, so that a copy of that alone opens nothing. */
function keyFileOf(
  given: Given,
  environment: Environment,
  { home }: Machine,
  absolute: (path: string) => string,
): string {
  if (given['key-file'] !== undefined) return absolute(given['key-file']);
  return join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'hearth', 'key');
}

function credentialOf(given: Given, absolute: (path: string) => string): GithubConfig['credential'] {
  const appId = given['github-app-id'];
  const keyFile = given['github-app-private-key-file'];
  if (appId !== undefined && keyFile !== undefined) return { kind: 'app', appId, privateKeyFile: absolute(keyFile) };
  return given['github-token'] === undefined ? null : { kind: 'token' };
}
