/** `hearth secret set | list | rm`: on the box itself, since the key file does not leave it. */
import { loadClientConfig, loadConfig, type Config } from '../config.ts';
import { isAllowed } from '../core/allow-list.ts';
import { formatProblem } from '../core/problem.ts';
import { MIN_SECRET_BYTES } from '../core/secrets/mask.ts';
import type { SecretRecord } from '../core/secrets/secret-grants.ts';
import { secretName } from '../core/pipeline/secret-uses.ts';
import type { TrustClass } from '../core/run.ts';
import { openConfiguredStore } from '../daemon.ts';
import { bindingOf } from '../secrets.ts';
import { KeyFileTrouble, makeKeyFile } from '../vault/key-file.ts';
import { openVault } from '../vault/vault.ts';
import { Complaint, exits, type ExitCode, type VerbContext } from './exit.ts';
import { columns } from './text.ts';

export interface SecretOptions {
  /** `owner/name` */
  readonly repo: string;
  readonly trust: readonly string[];
  readonly event: readonly string[];
}

/** GitHub's limit for a secret is 48 KB; with its forms a longer one would slow the masking of every log. */
const MAX_SECRET_BYTES = 48 * 1024;
const grantable: readonly TrustClass[] = ['T1', 'T2'];
const events = ['push', 'pull_request', 'merge_group', 'schedule', 'workflow_dispatch'];

/** `readText` gives what was piped in, or undefined where a person sits at the terminal. */
export async function setSecret(
  name: string,
  options: SecretOptions,
  context: VerbContext,
  readText: () => Promise<string | undefined>,
): Promise<ExitCode> {
  const { config, repo } = onThisBox(context, options.repo);
  const faults = [...faultsOfName(name), ...faultsOfLimits(options)];
  const piped = faults.length === 0 ? await readText() : '';
  const text = withoutLineEnd(piped ?? '');
  if (faults.length === 0) faults.push(...faultsOfText(name, repo, piped, text));
  if (faults.length > 0) throw new Complaint(exits.usage, faults.join('\n'));
  const vault = openVault(await withKeyFile(() => makeKeyFile(config.keyFile)));
  await using opened = new AsyncDisposableStack();
  const store = await openConfiguredStore(config);
  opened.defer(() => store.close());
  const upper = name.toUpperCase();
  const trust = grantable.filter((one) => options.trust.length === 0 || options.trust.includes(one));
  const done = await store.saveSecret(
    {
      repo: repo.toLowerCase(),
      name: upper,
      sealed: vault.seal(text, bindingOf(repo, upper)),
      trust,
      events: options.event.length === 0 ? null : options.event,
    },
    new Date(),
  );
  const said = { repo, name: upper, trust, events: options.event.length === 0 ? null : options.event, done };
  context.write(
    context.json
      ? `${JSON.stringify(said)}\n`
      : `${upper} is ${done === 'new' ? 'set' : 'replaced'} for ${repo} (key file ${config.keyFile})\n`,
  );
  const [owner = '', repoName = ''] = repo.split('/');
  if (!isAllowed({ owner, name: repoName }, config.repos))
    context.complain(
      `${repo} is not among HEARTH_REPOS (${config.repos.join(', ')}), so nothing runs for it. Is the name right?`,
    );
  return exits.good;
}

/** Names and limits, never texts. `repo` absent = of all repositories. */
export async function listSecrets(repo: string | undefined, context: VerbContext): Promise<ExitCode> {
  const box = onThisBox(context, repo);
  await using opened = new AsyncDisposableStack();
  const store = await openConfiguredStore(box.config);
  opened.defer(() => store.close());
  const found = await store.secretsOf(repo ?? null);
  if (context.json) context.write(`${JSON.stringify(found.map(jsonOf))}\n`);
  else if (found.length === 0)
    context.complain('There are no secrets. Set one with: hearth secret set NAME --repo owner/name');
  else context.write(columns(found.map(rowOf)));
  return exits.good;
}

export async function removeSecret(name: string, repo: string, context: VerbContext): Promise<ExitCode> {
  const box = onThisBox(context, repo);
  await using opened = new AsyncDisposableStack();
  const store = await openConfiguredStore(box.config);
  opened.defer(() => store.close());
  if (await store.removeSecret(repo, name.toUpperCase())) {
    context.write(
      context.json ? `${JSON.stringify({ removed: name.toUpperCase() })}\n` : `${name.toUpperCase()} is removed\n`,
    );
    return exits.good;
  }
  const names = (await store.secretsOf(repo)).map((one) => one.name);
  const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  throw new Complaint(exits.nothing, `${repo} has no secret ${name.toUpperCase()}; ${known}.`);
}

function onThisBox({ environment }: VerbContext, repo: string | undefined): { config: Config; repo: string } {
  if (loadClientConfig(environment).url !== null)
    throw new Complaint(exits.usage, 'Secrets are kept on the box itself. Log in there and leave HEARTH_URL unset.');
  const config = loadConfig(environment);
  if (!config.ok) throw new Complaint(exits.usage, config.problem.map(formatProblem).join('\n'));
  if (repo !== undefined && !/^[A-Za-z0-9_.-]{1,100}\/[A-Za-z0-9_.-]{1,100}$/.test(repo))
    throw new Complaint(exits.usage, `--repo is ${JSON.stringify(repo)}; write it as owner/name.`);
  return { config: config.value, repo: repo ?? '' };
}

function faultsOfName(name: string): string[] {
  const checked = secretName.safeParse(name);
  if (!checked.success) return [`The name ${JSON.stringify(name)} ${checked.error.issues[0]?.message ?? ''}.`];
  return /^(?:GITHUB|HEARTH)_/i.test(name) ? [`Names with GITHUB_ or HEARTH_ in front are ours; choose another.`] : [];
}

function faultsOfLimits({ trust, event }: SecretOptions): string[] {
  const wrongTrust = trust.filter((one) => !grantable.includes(one as TrustClass));
  const wrongEvents = event.filter((one) => !events.includes(one));
  return [
    ...wrongTrust.map((one) =>
      one === 'T3' || one === 'T4'
        ? `--trust ${one}: pull requests of forks get no secrets.`
        : `--trust ${one}: write T1 (default branch and tags) or T2 (other branches).`,
    ),
    ...wrongEvents.map((one) => `--event ${one}: write one of ${events.join(', ')}.`),
  ];
}

function faultsOfText(name: string, repo: string, piped: string | undefined, text: string): string[] {
  if (piped === undefined)
    return [
      `Pipe the text in, so that no history keeps it: read -rs V && printf %s "$V" | hearth secret set ${name} --repo ${repo}`,
    ];
  const bytes = Buffer.byteLength(text);
  if (text.includes('\0'))
    return ['The text holds a NUL character, which no variable can; encode it, for example with base64.'];
  if (text.includes('\ufffd')) return ['The text is not UTF-8; encode it, for example with base64.'];
  if (bytes < MIN_SECRET_BYTES)
    return [
      `The text has ${bytes} bytes. One of fewer than ${MIN_SECRET_BYTES} cannot be masked in logs; use a longer one.`,
    ];
  return bytes > MAX_SECRET_BYTES
    ? [
        `The text has ${bytes} bytes, and at most ${MAX_SECRET_BYTES} are possible. Keep a key here that opens the rest.`,
      ]
    : [];
}

/** `echo` and editors end a line; in a text of several lines the end belongs to it. */
function withoutLineEnd(text: string): string {
  const lines = text.split('\n');
  return lines.length === 2 && lines[1] === '' ? (lines[0] ?? '').replace(/\r$/, '') : text;
}

async function withKeyFile<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (cause) {
    if (cause instanceof KeyFileTrouble) throw new Complaint(exits.usage, cause.message, { cause });
    throw cause;
  }
}

function rowOf({ repo, name, trust, events: only, setAt }: SecretRecord): readonly string[] {
  return [repo, name, trust.join(','), only === null ? 'all events' : only.join(','), setAt.toISOString()];
}

function jsonOf({ repo, name, trust, events: only, setAt }: SecretRecord): object {
  return { repo, name, trust, events: only, set_at: setAt.toISOString() };
}
