import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import {
  type Config,
  type Environment,
  loadClientConfig,
  loadConfig,
  loadEgressConfig,
  parseConfig,
} from '../src/config.ts';

const machine = { cores: 8, home: '/home/ci', from: '/srv' };
const required = { HEARTH_WEBHOOK_SECRET: 'hush', HEARTH_REPOS: 'octo/hello' };

function parse(environment: Environment, file?: string): Config {
  const result = parseConfig(environment, file === undefined ? null : { path: 'hearth.yml', text: file }, machine);
  if (!result.ok) throw new Error(result.problem.map(({ message }) => message).join('\n'));
  return result.value;
}

function problems(environment: Environment, file?: string): string[] {
  const result = parseConfig(environment, file === undefined ? null : { path: 'hearth.yml', text: file }, machine);
  return result.ok
    ? []
    : result.problem.map(
        ({ code, message, position }) => `${code}${position ? ` ${position.line}:${position.column}` : ''}: ${message}`,
      );
}

test('needs only a secret and an allow-list; everything else has a default', () => {
  const { secrets, ...config } = parse(required);
  expect(config).toEqual({
    listen: { host: '127.0.0.1', port: 9000 },
    dataDirectory: '/home/ci/.local/state/hearth',
    repos: ['octo/hello'],
    publicUrl: null,
    github: { apiUrl: 'https://api.github.com', credential: null },
    cloneUrl: 'https://github.com/{owner}/{repo}.git',
    slots: 8,
    read: 'signed',
    cacheBytes: 20 * 1024 ** 3,
    logBytes: 64 * 1024 ** 2,
    kept: { bytes: 10 * 1024 ** 3, ms: 86_400_000 },
    keepDays: 90,
    labels: [],
    staleAfterMs: 86_400_000,
    keyFile: '/home/ci/.config/hearth/key',
    egress: { mode: 'auto', allow: [] },
    pools: [],
    logLevel: 'info',
  });
  expect(secrets.webhook.map((secret) => secret.reveal())).toEqual(['hush']);
  expect(secrets.adminToken).toBeNull();
});

test('reports everything that is wrong at once', () => {
  const found = problems(
    {
      HEARTH_REPOS: ' , ',
      HEARTH_LISTEN: 'nowhere',
      HEARTH_SLOTS: '0',
      HEARTH_REED: 'public',
      HEARTH_STALE_AFTER: 'soon',
    },
    'labells: x\nlog-bytes: 3\n',
  );
  expect(found).toEqual([
    'unknown-setting: Hearth has no setting HEARTH_REED; did you mean HEARTH_READ?',
    'unknown-setting 1:1: Hearth has no setting "labells"; did you mean "labels"?',
    'bad-setting: HEARTH_LISTEN is "nowhere"; write host:port such as 127.0.0.1:9000 or [::1]:9000, or only a port.',
    'bad-setting: HEARTH_REPOS is empty, so nothing would ever run; list repositories as owner/name or owner/*.',
    'bad-setting: HEARTH_SLOTS is "0"; write a whole number from 1 to 1024.',
    'bad-setting 2:1: log-bytes is "3"; write a size of at least 65536 bytes, such as 64MiB or 20GiB.',
    'bad-setting: HEARTH_STALE_AFTER is "soon"; write a time such as 30m, 24h or 7d.',
    expect.stringMatching(/^missing-setting: HEARTH_WEBHOOK_SECRET is not set\. .*openssl/),
  ]);
});

test('takes the same words in kebab-case from the file, lists as lists, and lets the environment win', () => {
  const config = parse(
    { HEARTH_SLOTS: '3', HEARTH_PUBLIC_URL: '' },
    'webhook-secret: [new, "old,with comma"]\nrepos: [octo/*, Hubot/tools]\nslots: 16\npublic-url: https://ci.example.com/hearth/\nlog-level: WARN\nread: public\ncache-bytes: 5g\nstale-after: 90m\nlisten: 9001\ndata: ~/state\nlabels: amd64, big\n',
  );
  expect(config.secrets.webhook.map((secret) => secret.reveal())).toEqual(['new', 'old,with comma']);
  expect(config).toMatchObject({
    repos: ['octo/*', 'Hubot/tools'],
    slots: 3,
    publicUrl: 'https://ci.example.com/hearth',
    logLevel: 'warn',
    read: 'public',
    cacheBytes: 5 * 1024 ** 3,
    staleAfterMs: 5_400_000,
    listen: { host: '127.0.0.1', port: 9001 },
    dataDirectory: '/home/ci/state',
    labels: ['amd64', 'big'],
  });
});

test('accepts several webhook secrets for rotation', () => {
  const { secrets } = parse({ ...required, HEARTH_WEBHOOK_SECRET: 'new, old' });
  expect(secrets.webhook.map((secret) => secret.reveal())).toEqual(['new', 'old']);
});

test.each([
  ['[::1]:80', { host: '::1', port: 80 }],
  ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ['ci.example.com:8080', { host: 'ci.example.com', port: 8080 }],
])('listens on %s', (listen, expected) => {
  expect(parse({ ...required, HEARTH_LISTEN: listen }).listen).toEqual(expected);
});

test.each([
  [{ HEARTH_REPOS: 'octo' }, 'octo'],
  [{ HEARTH_REPOS: 'octo/hello,*/*' }, '*/*'],
  [{ HEARTH_REPOS: 'octo/..' }, 'octo/..'],
  [{ HEARTH_LISTEN: '127.0.0.1:70000' }, '70000'],
  [{ HEARTH_LISTEN: ':9000' }, 'host:port'],
  [{ HEARTH_PUBLIC_URL: 'ci.example.com' }, 'https://'],
  [{ HEARTH_PUBLIC_URL: 'https://me:pw@ci.example.com' }, 'without a user'],
  [{ HEARTH_READ: 'everybody' }, 'signed, public, token'],
  [{ HEARTH_CLONE_URL: 'https://x:token@github.com/{owner}/{repo}' }, 'GITHUB_TOKEN'],
  [{ HEARTH_CLONE_URL: 'https://github.com/{org}/{repo}' }, 'placeholder'],
  [{ HEARTH_CLONE_URL: 'https://github.com/octo/{repo}', HEARTH_REPOS: 'octo/*' }, '{owner}'],
  [{ HEARTH_CLONE_URL: 'ext::sh -c whoami' }, 'must begin with'],
  [{ GITHUB_APP_ID: '12' }, 'belong together'],
  [{ GITHUB_APP_ID: 'twelve', GITHUB_APP_PRIVATE_KEY_FILE: 'k' }, 'whole number'],
  [{ HEARTH_DATA: '/srv/hearth', HEARTH_KEY_FILE: '/srv/hearth/keys/key' }, 'lies in the data folder'],
  [{ GITHUB_TOKEN: 't', GITHUB_APP_ID: '1', GITHUB_APP_PRIVATE_KEY_FILE: 'k' }, 'both set'],
  [{ DATABASE_URL: 'mysql://x' }, 'postgres://'],
  [{ HEARTH_DEADMAN_URL: 'ftp://x' }, 'https://'],
  [{ HEARTH_KEEP_DAYS: '-1' }, 'whole number'],
  [{ HEARTH_LABELS: 'a b' }, 'label'],
  [{ LOG_LEVEL: 'loud' }, 'trace, debug'],
])('refuses %j and says what to write', (environment, expected) => {
  expect(problems({ ...required, ...environment }).join('\n')).toContain(expected);
});

test('one named repository may have a clone address without placeholders', () => {
  expect(parse({ ...required, HEARTH_CLONE_URL: 'file:///srv/git/hello.git' }).cloneUrl).toBe(
    'file:///srv/git/hello.git',
  );
});

test('knows which credential statuses are sent with', () => {
  expect(parse({ ...required, GITHUB_TOKEN: 'ghp_x' }).github.credential).toEqual({ kind: 'token' });
  expect(parse({ ...required, GITHUB_APP_ID: '7', GITHUB_APP_PRIVATE_KEY_FILE: 'app.pem' }).github.credential).toEqual({
    kind: 'app',
    appId: 7,
    privateKeyFile: '/srv/app.pem',
  });
});

test('leaves alone what it does not own: other variables, where verbs find the daemon, and what a job of its own carries', () => {
  expect(
    problems({
      ...required,
      PATH: '/bin',
      HEARTH_URL: 'http://x',
      HEARTH_RUN_ID: '3',
      HEARTH_JOB: 'build',
      HEARTH_ATTEMPT: '1',
      HEARTH_PIPELINE: 'ci',
    }),
  ).toEqual([]);
});

test('suggests the key to people who write the variable into the file', () => {
  expect(problems(required, 'HEARTH_LISTEN: 1\nhearth-slots: 2\n')).toEqual([
    'unknown-setting 1:1: Hearth has no setting "HEARTH_LISTEN"; did you mean "listen"?',
    'unknown-setting 2:1: Hearth has no setting "hearth-slots"; did you mean "slots"?',
  ]);
});

test('says where a broken or misshapen file is wrong', () => {
  expect(problems(required, 'slots: [1\n')[0]).toMatch(/^yaml-syntax \d+:\d+: .*Correct the file\./s);
  expect(problems(required, 'slots: 1\nslots: 2\n')[0]).toMatch(/^yaml-syntax 2:1: /);
  expect(problems(required, '- slots\n')[0]).toMatch(/^wrong-type /);
  expect(problems(required, 'listen: {port: 1}\n')).toEqual(['bad-setting 1:1: listen must be a single value.']);
  expect(problems(required, '')).toEqual([]);
});

test('cannot be changed', () => {
  const config = parse(required);
  expect(() => {
    Object.assign(config.github, { apiUrl: 'http://evil' });
  }).toThrow(TypeError);
  expect(() => {
    (config.repos as string[]).push('evil/*');
  }).toThrow(TypeError);
});

test('shows no secret however it is printed', () => {
  const environment = {
    ...required,
    HEARTH_WEBHOOK_SECRET: 'canary-1,canary-2',
    GITHUB_TOKEN: 'canary-3',
    HEARTH_ADMIN_TOKEN: 'canary-4',
    HEARTH_DEADMAN_URL: 'https://hc.example/canary-6',
    HEARTH_NOTIFY_URL: 'https://hooks.example/canary-7',
    HEARTH_OBJECTS_URL: 's3://k:canary-8@b',
  };
  const config = parse(environment);
  const printed = [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true }),
    String(config.secrets.githubToken),
    config.secrets.webhook.join(),
  ].join();
  expect(printed).not.toContain('canary');
  expect(config.secrets.deadmanUrl?.reveal()).toContain('canary-6');
});

test('shows no secret in a message about it', () => {
  const bad = {
    ...required,
    DATABASE_URL: 'canary',
    HEARTH_NOTIFY_URL: 'ftp://canary',
    HEARTH_CLONE_URL: 'https://u:canary@h/{owner}/{repo}',
    HEARTH_PUBLIC_URL: 'https://u:canary@h',
  };
  expect(problems(bad)).toHaveLength(4);
  expect(problems(bad).join()).not.toContain('canary');
});

test('reads the named file, and says so when it cannot', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-config-'));
  try {
    const path = join(folder, 'my.yml');
    await writeFile(path, 'slots: 5\n');
    const config = loadConfig({ ...required, HEARTH_CONFIG: path });
    expect(config.ok && config.value.slots).toBe(5);
    const missing = loadConfig({ ...required, HEARTH_CONFIG: join(folder, 'none.yml') });
    expect(!missing.ok && missing.problem).toMatchObject([
      { code: 'bad-setting', file: join(folder, 'none.yml'), message: expect.stringContaining('ENOENT') as string },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('tells verbs where the daemon is without asking for any setting', () => {
  expect(loadClientConfig({})).toEqual({ url: null, adminToken: null });
  const client = loadClientConfig({ HEARTH_URL: 'http://box:9000/', HEARTH_ADMIN_TOKEN: 'tok' });
  expect(client.url).toBe('http://box:9000');
  expect(client.adminToken?.reveal()).toBe('tok');
});

test('refuses a database that this version cannot use, with everything else that is wrong', () => {
  const found = problems({ ...required, DATABASE_URL: 'postgres://u:canary@h/d', HEARTH_SLOTS: '0' });
  expect(found.join()).toMatch(/HEARTH_SLOTS.*DATABASE_URL is set, but this version keeps its state in SQLite/s);
  expect(found.join()).not.toContain('canary');
});

test.each([
  ['HEARTH_SLOT', 'HEARTH_SLOTS'],
  ['HEARTH_WEBHOOK_SECRETS', 'HEARTH_WEBHOOK_SECRET'],
  ['HEARTH_LISTN', 'HEARTH_LISTEN'],
])('takes %s for a mistake, and not for something of a job', (name, meant) => {
  expect(problems({ ...required, [name]: '3' })).toEqual([
    `unknown-setting: Hearth has no setting ${name}; did you mean ${meant}?`,
  ]);
});

test('does not say that settings are missing which stand in a file that cannot be read', () => {
  const found = problems({ HEARTH_SLOTS: '0' }, 'repos: [octo/hello\nwebhook-secret: x\n');
  expect(found.join()).toMatch(/yaml-syntax/);
  expect(found.join()).toMatch(/HEARTH_SLOTS/);
  expect(found.join()).not.toMatch(/not set/);
  const loaded = loadConfig({ HEARTH_CONFIG: '/nowhere/hearth.yml', HEARTH_SLOTS: '0', HOME: '/' });
  const said = loaded.ok ? '' : loaded.problem.map(({ message }) => message).join();
  expect(said).toMatch(/cannot be read.*HEARTH_SLOTS/s);
  expect(said).not.toMatch(/not set/);
});

test('says where jobs may connect to, and refuses what is no address', () => {
  expect(parse(required).egress).toEqual({ mode: 'auto', allow: [] });
  const file = 'egress: restricted\negress-allow: [10.0.0.0/8, "[fd00::1]:443"]\n';
  expect(parse(required, file).egress).toEqual({
    mode: 'restricted',
    allow: [
      { family: 4, cidr: '10.0.0.0/8', port: null },
      { family: 6, cidr: 'fd00::1/128', port: 443 },
    ],
  });
  expect(
    problems({ ...required, HEARTH_EGRESS: 'shut', HEARTH_EGRESS_ALLOW: '10.1.1.1, registry.example.com' }),
  ).toEqual([
    'bad-setting: HEARTH_EGRESS is "shut"; write one of auto, restricted, open.',
    'bad-setting: HEARTH_EGRESS_ALLOW has "registry.example.com"; write an address or a network with or without a port, such as 10.1.2.3:443, 10.0.0.0/8 or [fd00::/8]:443.',
  ]);
  const local = loadEgressConfig({ HEARTH_EGRESS_ALLOW: '10.1.1.1:80', HEARTH_UNKNOWN: 'x' });
  expect(local.ok && local.value.allow).toEqual([{ family: 4, cidr: '10.1.1.1/32', port: 80 }]);
  expect(loadEgressConfig({ HEARTH_EGRESS: 'x' }).ok).toBe(false);
});
