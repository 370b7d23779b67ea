/** One job of a .gitlab-ci.yml. */
import { isList, tableOf, textOfData, textsOf, type Data } from './gitlab-data.ts';
import { originalOf, place, put, say, type Writer } from './gitlab-context.ts';
import { axesOf, writeArtifacts, writeCaches, writeScript } from './gitlab-script.ts';
import { timingOf } from './gitlab-rules.ts';
import { combinationsOf, delayOf, minutesOf, retryOf } from './gitlab-values.ts';
import { expanded, isRunnerSetting } from './gitlab-variables.ts';
import type { NoteKind } from './note.ts';
import { closeJob } from './parts.ts';

export function writeJob(writer: Writer): void {
  const { job, key, map, names } = writer;
  const { values } = job;
  if (key !== job.name) put(writer, 'name', job.name);
  const needs = values.get('needs');
  if (isList(needs)) writeNeeds(writer, needs);
  if (names.phases.length > 0) put(writer, 'phase', names.phaseOf(textOfData(values.get('stage')) ?? 'test'), 'stage');
  if (values.has('trigger') || !values.has('script')) {
    const text = values.has('trigger')
      ? 'Pipelines cannot start others. Start the other one by a push, or copy its jobs to this place.'
      : 'A job needs "script". Write what it does as "run", or delete it.';
    const what = values.has('trigger') ? 'trigger' : 'run';
    closeJob(writer.draft, map, { ...place(writer, what), kind: 'todo', text, original: originalOf(writer, what) });
    return;
  }
  writeTiming(writer);
  writeStrategy(writer);
  writeImage(writer);
  writeServices(writer);
  writeEnv(writer);
  writeLimits(writer);
  writeCaches(writer);
  writeArtifacts(writer);
  writeOthers(writer);
  writeScript(writer);
}

function writeNeeds(writer: Writer, needs: readonly Data[]): void {
  const list = needs.flatMap((need): readonly unknown[] => {
    const table = tableOf(need);
    const name = textOfData(table === undefined ? need : table.get('job'));
    if (name === undefined || table?.has('project') === true || table?.has('pipeline') === true) {
      say(writer, 'needs', 'todo', 'Jobs of other projects and pipelines cannot be needed.');
      return [];
    }
    if (table?.has('parallel') === true) say(writer, 'needs', 'changed', 'The job waits for all combinations.');
    const job = writer.names.jobOf(name);
    return [table?.get('optional') === true ? { job, optional: true } : job];
  });
  const node = writer.draft.document.createNode([...new Set(list)]);
  if (list.every((need) => typeof need === 'string')) (node as unknown as { flow: boolean }).flow = true;
  put(writer, 'needs', node);
}

const NEVER = false;
const TOLERATED = true;

function writeTiming(writer: Writer): void {
  const { job, draft } = writer;
  const timing = timingOf(job.values);
  const from = ['rules', 'only', 'except', 'when'].find((key) => job.values.has(key)) ?? 'when';
  for (const text of timing.changes) say(writer, from, 'changed', text);
  for (const text of timing.todos) say(writer, from, 'todo', text);
  if (!job.isWhole) {
    say(writer, 'extends', 'todo', 'Part of this job is not in this file, so it is off: write what is missing.');
    put(writer, 'if', NEVER, from);
  } else if (timing.condition === undefined) {
    say(
      writer,
      from,
      'todo',
      'When it runs could not be taken over, so the job is off: write the condition into "if".',
    );
    put(writer, 'if', NEVER, from);
  } else if (timing.condition === 'false') put(writer, 'if', NEVER, from);
  else if (timing.condition !== 'true') put(writer, 'if', timing.condition, from);
  if (timing.condition !== undefined) writer.events.add(timing.condition);
  const delay = timing.startIn === undefined ? undefined : delayOf(timing.startIn);
  if (delay !== undefined) put(writer, 'start-delay', delay, 'start_in');
  const allowed = job.values.get('allow_failure');
  const codes = tableOf(allowed)?.get('exit_codes');
  if (codes !== undefined)
    put(writer, 'allow-exit-codes', draft.document.createNode(textsOf(codes).map(Number)), 'allow_failure');
  else if (allowed === true || timing.allowFailure) put(writer, 'continue-on-error', TOLERATED, 'allow_failure');
}

/** More combinations than a matrix may have. */
const MOST = 300;

function writeStrategy(writer: Writer): void {
  const parallel = writer.job.values.get('parallel');
  const lists = tableOf(parallel)?.get('matrix');
  if (!isList(lists)) {
    if (parallel !== undefined) put(writer, 'parallel', parallel);
    return;
  }
  const tables = lists.flatMap((item) => tableOf(item) ?? []);
  const [only] = tables;
  const matrix =
    tables.length === 1 && only !== undefined
      ? Object.fromEntries([...only].map(([name, values]) => [name, textsOf(values)]))
      : { include: tables.flatMap((table) => combinationsOf(table, MOST)) };
  put(writer, 'strategy', { 'fail-fast': false, matrix }, 'parallel');
}

function writeImage(writer: Writer): void {
  const value = writer.job.values.get('image');
  const image = imageOf(value);
  if (value === undefined) return;
  if (image === undefined || image !== writer.image)
    put(writer, 'container', image ?? textsOf(value)[0] ?? '', 'image');
  if (tableOf(value)?.has('entrypoint') === true)
    say(writer, 'image', 'changed', 'The entrypoint of an image is not run; its commands are started by Hearth.');
}

/** An image whose name holds no variable. */
export function imageOf(value: Data | undefined): string | undefined {
  const name = textOfData(tableOf(value)?.get('name') ?? value);
  return name !== undefined && /^[a-z0-9][A-Za-z0-9._:@/-]{0,254}$/.test(name) ? name : undefined;
}

function writeServices(writer: Writer): void {
  const services = writer.job.values.get('services');
  if (!isList(services) || services.length === 0) return;
  const entries = services.flatMap((service) => {
    const table = tableOf(service);
    const image = textOfData(table === undefined ? service : table.get('name'));
    if (image === undefined) return [];
    // An image may have several aliases; a service has one name.
    const alias = textOfData(table?.get('alias'))?.split(/[\s,]+/)[0];
    const name = alias ?? (image.split(':')[0] ?? '').replaceAll('/', '-');
    const env = tableOf(table?.get('variables'));
    const command = textsOf(table?.get('command'));
    const entrypoint = textsOf(table?.get('entrypoint'));
    return [
      [
        name,
        {
          image,
          ...(env === undefined ? {} : { env: Object.fromEntries(env) }),
          ...(command.length === 0 ? {} : { command }),
          ...(entrypoint.length === 0 ? {} : { entrypoint }),
        },
      ] as const,
    ];
  });
  put(writer, 'services', Object.fromEntries(entries));
  say(
    writer,
    'services',
    'todo',
    'GitLab gives every variable of the job to its services, too. Here a service has only its own "env": write what it needs there.',
  );
}

function writeEnv(writer: Writer): void {
  const { job, draft, topValue } = writer;
  const env: [string, string][] = axesOf(job).map((axis) => [axis, `\${{ matrix.${axis} }}`]);
  const own = tableOf(job.values.get('variables')) ?? new Map<string, Data>();
  const valueOf = (name: string): string | undefined => rawValue(own.get(name)) ?? topValue(name);
  const left: string[] = [];
  for (const [name, value] of own) {
    const raw = rawValue(value);
    const text = raw === undefined ? undefined : expanded(raw, (one) => (one === name ? topValue(one) : valueOf(one)));
    if (isRunnerSetting(name) || text === undefined) left.push(`${name}: ${raw ?? ''}`);
    else env.push([name, text]);
  }
  if (env.length > 0) put(writer, 'env', Object.fromEntries(env), 'variables');
  if (left.length === 0) return;
  const isSetting = left.every((line) => isRunnerSetting(line.split(':')[0] ?? ''));
  draft.before(writer.map, '', {
    ...place(writer, 'variables'),
    kind: isSetting ? 'dropped' : 'todo',
    text: isSetting
      ? 'Settings of the runner of GitLab have no meaning here.'
      : 'Variables in "env" hold no other variables: write the values.',
    original: left.join('\n'),
  });
}

/** The value of a variable, which may stand below `value`. */
export function rawValue(data: Data | undefined): string | undefined {
  const table = tableOf(data);
  if (data === null) return '';
  return textOfData(table === undefined ? data : table.get('value'));
}

function writeLimits(writer: Writer): void {
  const { values } = writer.job;
  const minutes = minutesOf(values.get('timeout'));
  if (minutes !== undefined) put(writer, 'timeout-minutes', minutes, 'timeout');
  else if (values.has('timeout'))
    say(writer, 'timeout', 'todo', 'This is no time that could be read: write timeout-minutes.');
  if (values.has('retry')) put(writer, 'retry', retryOf(values.get('retry')));
  if (values.has('interruptible')) put(writer, 'interruptible', values.get('interruptible'));
  const group = textOfData(values.get('resource_group'));
  if (group === undefined) return;
  const text = expanded(group, writer.topValue);
  if (text === undefined)
    say(writer, 'resource_group', 'todo', 'Write the group into "concurrency", without variables of GitLab.');
  else put(writer, 'concurrency', text, 'resource_group');
}

const others: Readonly<Record<string, readonly [NoteKind, string]>> = {
  tags: ['dropped', 'Jobs run on your own box.'],
  coverage: ['dropped', 'Coverage is not read from the log.'],
  environment: ['todo', 'There are no environments. Put their variables into "env".'],
  release: ['todo', 'Write it as a command, such as `gh release create`, with a token of your own.'],
  secrets: ['todo', 'Secrets of GitLab are not there.'],
  id_tokens: ['todo', 'Jobs get no identity tokens. Use a credential of your own.'],
  pages: ['todo', 'Pages are published by GitLab. Leave this part there.'],
  publish: ['todo', 'Pages are published by GitLab. Leave this part there.'],
  hooks: ['todo', 'Commands before the checkout: put them into "run".'],
  dast_configuration: ['dropped', 'It is a service of GitLab.'],
  manual_confirmation: ['dropped', 'Nobody is asked when a run is started by hand.'],
};

function writeOthers(writer: Writer): void {
  for (const [key, [kind, text]] of Object.entries(others))
    if (writer.job.values.has(key)) say(writer, key, kind, text);
  const known = new Set([...Object.keys(others), ...handled]);
  for (const key of writer.job.values.keys())
    if (!known.has(key)) say(writer, key, 'todo', `Hearth has nothing like ${key}.`);
}

const handled = (
  'stage script before_script after_script image services variables needs dependencies rules only except when start_in ' +
  'allow_failure parallel timeout retry interruptible resource_group cache artifacts inherit trigger extends'
).split(' ');
