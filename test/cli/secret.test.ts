import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Complaint, type VerbContext } from '../../src/cli/exit.ts';
import { listSecrets, removeSecret, setSecret, type SecretOptions } from '../../src/cli/secret.ts';
import { readKeyFile } from '../../src/vault/key-file.ts';
import { openVault } from '../../src/vault/vault.ts';
import { openStoredSecrets } from '../../src/secrets.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { makeJob, makeRun, makeSpec } from '../support/make.ts';

let folder: string;
let said: string;
let context: VerbContext;
const repo = 'octo/hello';
const noLimits: SecretOptions = { repo, trust: [], event: [] };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-secret-'));
  said = '';
  context = {
    cwd: folder,
    json: false,
    environment: {
      HEARTH_DATA: join(folder, 'data'),
      HEARTH_KEY_FILE: join(folder, 'key'),
      HEARTH_WEBHOOK_SECRET: 'x'.repeat(20),
      HEARTH_REPOS: 'octo/*',
    },
    write: (text) => (said += String(text)),
    complain: (line) => (said += `${line}\n`),
    interrupted: new AbortController().signal,
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const set = (name: string, text: string | undefined, options = noLimits) =>
  setSecret(name, options, context, () => Promise.resolve(text));

/** What a job that names them gets. */
async function given(...names: readonly string[]) {
  await using opened = new AsyncDisposableStack();
  const store = await openSqliteStore(join(folder, 'data', 'hearth.db'));
  opened.defer(() => store.close());
  const key = await readKeyFile(join(folder, 'key'));
  const secrets = await openStoredSecrets(store, () => Promise.resolve(key && openVault(key)));
  const uses = names.map((name) => ({ name, variable: name, isFile: false, isOptional: false }));
  return await secrets.of({ run: makeRun(), job: makeJob('build', { spec: makeSpec('build', { secrets: uses }) }) });
}

async function wholeOf(directory: string): Promise<string> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const texts = files
    .filter((file) => file.isFile())
    .map((file) => readFile(join(file.parentPath, file.name), 'latin1'));
  return (await Promise.all(texts)).join('');
}

describe('hearth secret', () => {
  it('keeps a secret that a job then gets, and no file of the data folder shows it', async () => {
    expect(await set('npm_token', 'hunter2-hunter2\n')).toBe(0);
    expect(said).toBe(`NPM_TOKEN is set for octo/hello (key file ${join(folder, 'key')})\n`);
    expect(await given('NPM_TOKEN')).toEqual({ ok: true, value: { NPM_TOKEN: 'hunter2-hunter2' } });
    expect(await wholeOf(join(folder, 'data'))).not.toContain('hunter2');
  });

  it('says so when the repository is none that anything runs for', async () => {
    await set('NPM_TOKEN', 'token-of-npm', { ...noLimits, repo: 'octa/hello' });
    expect(said).toContain('octa/hello is not among HEARTH_REPOS (octo/*), so nothing runs for it. Is the name right?');
    said = '';
    await set('NPM_TOKEN', 'token-of-npm');
    expect(said).not.toContain('HEARTH_REPOS');
  });

  it('keeps every line of a longer text', async () => {
    await set('KEY', 'first\nsecond\n');
    expect(await given('KEY')).toEqual({ ok: true, value: { KEY: 'first\nsecond\n' } });
  });

  it('lists names and limits, and forgets what is removed', async () => {
    await set('A', 'hunter2-a', { repo, trust: ['T1'], event: ['push'] });
    await set('A', 'hunter2-b', { repo, trust: ['T1'], event: ['push'] });
    expect(said).toContain('A is replaced');
    said = '';
    expect(await listSecrets(undefined, context)).toBe(0);
    expect(said).toMatch(/^octo\/hello {2}A {2}T1 {2}push {2}\d{4}-/);
    expect(await removeSecret('a', repo, context)).toBe(0);
    await expect(removeSecret('A', repo, context)).rejects.toThrow('octo/hello has no secret A; it has none.');
    expect(await given('A')).toMatchObject({ ok: false, problem: [expect.stringContaining('has no such secret')] });
  });

  it('says that a secret does not open once the key file was replaced', async () => {
    await set('A', 'hunter2-a');
    await rm(join(folder, 'key'));
    expect(await given('A')).toEqual({
      ok: false,
      problem: ['secrets.A: it does not open with this key file (HEARTH_KEY_FILE); set it again'],
    });
  });

  it.each([
    ['too short', 'A', 'abc', noLimits, 'fewer than 6'],
    ['too long', 'A', 'x'.repeat(50_000), noLimits, 'at most 49152'],
    ['not a text', 'A', 'abcdef\0', noLimits, 'NUL'],
    ['not UTF-8', 'A', 'abcdef\ufffd', noLimits, 'not UTF-8'],
    ['typed at the terminal', 'A', undefined, noLimits, 'printf %s "$V" | hearth secret set A --repo octo/hello'],
    ['under a name of ours', 'GITHUB_X', 'hunter2-a', noLimits, 'in front are ours'],
    ['under no name', '1 x', 'hunter2-a', noLimits, 'letters, digits'],
    ['for forks', 'A', 'hunter2-a', { repo, trust: ['T3'], event: [] }, 'pull requests of forks get no secrets'],
    ['for an unknown event', 'A', 'hunter2-a', { repo, trust: [], event: ['pull'] }, '--event pull: write one of'],
    ['for no repository', 'A', 'hunter2-a', { repo: 'hello', trust: [], event: [] }, 'write it as owner/name'],
  ])('refuses one %s and keeps nothing', async (_, name, text, options, why) => {
    const refused = set(name, text, options);
    await expect(refused).rejects.toThrow(why);
    await expect(refused).rejects.toBeInstanceOf(Complaint);
    await expect(refused).rejects.toMatchObject({ exit: 2 });
    expect(await readdir(folder)).not.toContain('key');
  });

  it('works only on the box itself', async () => {
    context = { ...context, environment: { ...context.environment, HEARTH_URL: 'http://127.0.0.1:9000' } };
    await expect(set('A', 'hunter2-a')).rejects.toThrow('Log in there');
  });
});
