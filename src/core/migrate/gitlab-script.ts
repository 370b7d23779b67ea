/** The commands of a GitLab job, and the files that it keeps. */
import { put, say, type Writer } from './gitlab-context.ts';
import { isList, tableOf, textOfData, textsOf, type GitLabJob } from './gitlab-data.ts';
import { minutesOf } from './gitlab-values.ts';
import { exports, usedVariables } from './gitlab-variables.ts';
import { packageManagers } from './packages.ts';
import { block, safeName } from './parts.ts';

export function writeCaches(writer: Writer): void {
  const { job, draft, useCache } = writer;
  const value = job.values.get('cache');
  if (value === undefined) return;
  const commands = scriptOf(job).split('\n');
  const names: string[] = [];
  let isLeft = false;
  for (const one of isList(value) ? value : [value]) {
    const table = tableOf(one);
    const files = textsOf(tableOf(table?.get('key'))?.get('files'));
    const paths = textsOf(table?.get('paths')).map((path) => path.replace(/^\.\/|\/+$/g, ''));
    const manager = Object.values(packageManagers).find(
      ({ kind, installs }) => kind === 'layer' && commands.some((line) => installs.has(line.trim())),
    );
    const install = commands.find((line) => manager?.installs.has(line.trim()) === true)?.trim();
    const isLayer = paths.length === 1 && paths[0] === 'node_modules' && install !== undefined && manager !== undefined;
    if (isLayer)
      names.push(
        useCache(manager.name, {
          kind: 'layer',
          key: files[0] ?? manager.lockfile,
          paths: 'node_modules',
          install: manager.before + install,
        }),
      );
    else isLeft ||= paths.length > 0;
  }
  if (names.length > 0) {
    put(writer, 'cache', names.length === 1 ? names[0] : draft.document.createNode([...new Set(names)]));
    say(writer, 'cache', 'changed', `The cache "${names.join(', ')}" is installed once per lockfile, by that command.`);
  }
  if (isLeft)
    say(
      writer,
      'cache',
      'dropped',
      'A cache here is a layer (key, paths and the install command that fills them) or a volume outside the repository. The job is right without it, and slower.',
    );
}

export function writeArtifacts(writer: Writer): void {
  const { job, key } = writer;
  const table = tableOf(job.values.get('artifacts'));
  if (table !== undefined) {
    const given = textOfData(table.get('name'));
    const name = given === undefined || given.includes('$') ? key : safeName(given);
    const when = textOfData(table.get('when'))?.replace('on_', '');
    const minutes = minutesOf(table.get('expire_in'));
    // As in GitLab, nothing need be there.
    const common = {
      ...(when === undefined || when === 'success' ? {} : { when }),
      ...(minutes === undefined ? {} : { 'expire-in': daysOf(minutes) }),
      optional: true,
    };
    const paths = [...textsOf(table.get('paths')), ...textsOf(table.get('exclude')).map((path) => `!${path}`)];
    const reports = tableOf(table.get('reports'));
    const junit = textsOf(reports?.get('junit'));
    const kept = {
      ...(table.has('paths') ? { [name]: { paths, ...common } } : {}),
      ...(junit.length > 0 ? { [`${name}-junit`]: { paths: junit, ...common, when: 'always', junit: true } } : {}),
    };
    if (Object.keys(kept).length > 0) put(writer, 'artifacts', kept);
    if ([...(reports?.keys() ?? [])].some((report) => report !== 'junit'))
      say(writer, 'artifacts', 'dropped', 'Of reports only those of JUnit are read.');
    if (table.get('untracked') === true)
      say(writer, 'artifacts', 'todo', 'What Git does not track cannot be kept as such: name the paths.');
  }
  const needed = textsOf(job.values.get('dependencies'));
  if (needed.length > 0)
    say(writer, 'dependencies', 'changed', 'A job gets the artifacts of all jobs that it waits for.');
}

function daysOf(minutes: number): string {
  return minutes >= 1_440 ? `${Math.ceil(minutes / 1_440)}d` : `${Math.max(1, Math.ceil(minutes / 60))}h`;
}

/** Axes of `parallel: matrix`. */
export function axesOf(job: GitLabJob): readonly string[] {
  const lists = tableOf(job.values.get('parallel'))?.get('matrix');
  return isList(lists) ? [...new Set(lists.flatMap((item) => [...(tableOf(item)?.keys() ?? [])]))] : [];
}

/** Commands of a job before and in its script, one text. */
export function scriptOf(job: GitLabJob): string {
  return [...textsOf(job.values.get('before_script')), ...textsOf(job.values.get('script'))]
    .map((text) => text.trimEnd())
    .join('\n');
}

/** What a layer has installed, a job need not; but a job that does nothing else stays as it is. */
function withoutInstall(script: string, hasLayer: boolean): string {
  const installs = new Set(Object.values(packageManagers).flatMap((manager) => [...manager.installs]));
  const lines = script.split('\n');
  const isInstall = (line: string): boolean => installs.has(line.trim());
  if (!hasLayer || lines.every((line) => isInstall(line) || /^\s*(?:#.*)?$/.test(line))) return script;
  return lines.map((line) => (isInstall(line) ? `# ${line.trim()} (done by the cache)` : line)).join('\n');
}

export function writeScript(writer: Writer): void {
  const { job, draft, key, map, isVariable } = writer;
  const script = withoutInstall(scriptOf(job), map.has('cache'));
  const after = textsOf(job.values.get('after_script')).join('\n');
  const own = tableOf(job.values.get('variables'));
  const axes = axesOf(job);
  const used = usedVariables(
    `${script}\n${after}`,
    (name) => isVariable(name) || own?.has(name) === true || axes.includes(name),
  );
  for (const name of used.mapped) writer.predefined.add(name);
  const lines = used.exported.map((name) => exports[name] ?? '');
  if (used.missing.length > 0)
    draft.before(map, '', {
      ...{ line: job.line, key: `${key}.script`, kind: 'todo' as const },
      text: `These variables of GitLab have no value here: ${used.missing.join(', ')}. Put what you need into "env".`,
    });
  const run = block([...lines, script].join('\n'));
  if (after === '') {
    put(writer, 'run', run, 'script');
    return;
  }
  const cleaning = {
    name: 'after_script',
    if: 'always()',
    'continue-on-error': true,
    run: block([...lines, after].join('\n')),
  };
  put(writer, 'steps', [{ run }, cleaning], 'script');
}
