/** `container` and `services` of a job: most is the same here; what only Docker's own command line takes is left out. */
import { isMap, isScalar, type YAMLMap } from 'yaml';
import { healthOptions } from '../containers.ts';
import { splitWords } from '../words.ts';
import { keyOf, textOf } from './draft.ts';
import type { JobOfWorkflow } from './github-workflow.ts';
import type { NoteKind } from './note.ts';
import { mapAt, pairOf, textIn, textsIn } from './parts.ts';

const LOGIN: readonly [NoteKind, string] = [
  'todo',
  'Whoever runs Hearth logs the Docker engine in (`docker login`), for every job alike.',
];

/** What GitHub takes at `container` and nothing here does. */
const ofContainer: Readonly<Record<string, readonly [NoteKind, string]>> = {
  options: [
    'todo',
    'Options of Docker are not taken. Limits stand at "resources" of the job, and memory and shm-size at "sidecar"; what a tool needs belongs into the image.',
  ],
  volumes: [
    'todo',
    'Folders of the machine are out of reach. Put the files into the image, or keep them in a cache with "volume".',
  ],
  ports: ['dropped', 'Nobody reaches a job from outside.'],
  credentials: LOGIN,
};

/** The same for a service. */
const ofService: Readonly<Record<string, readonly [NoteKind, string]>> = {
  volumes: ['todo', 'A service has no folders of the machine. Put its files into its image, or give them with "env".'],
  credentials: LOGIN,
};

export function migrateContainer(of: JobOfWorkflow): void {
  const container = mapAt(of.job, 'container');
  if (container !== undefined) leaveOut(of, container, `jobs.${of.name}.container`, ofContainer);
}

export function migrateServices(of: JobOfWorkflow): void {
  const { draft, job, name, lineOf } = of;
  const services = mapAt(job, 'services');
  if (services === undefined) return;
  const addresses: string[] = [];
  for (const pair of services.items) {
    if (isScalar(pair.value) && typeof pair.value.value === 'string')
      pair.value = draft.document.createNode({ image: pair.value.value });
    if (!isMap(pair.value)) continue;
    const service = pair.value;
    const key = `jobs.${name}.services.${keyOf(pair)}`;
    for (const port of textsIn(service, 'ports'))
      addresses.push(`${keyOf(pair)}:${(port.split(':').at(-1) ?? '').replace(/\/.*$/, '')}`);
    leaveOut(of, service, key, ofService);
    migrateOptions(of, service, key);
  }
  // In a container of the job's own they have their names on GitHub, too.
  if (job.has('container') || services.items.length === 0) return;
  const shown = addresses.length === 0 ? 'its name and its own port' : addresses.join(', ');
  draft.before(job, 'services', {
    ...{ line: lineOf(pairOf(job, 'services')), key: `jobs.${name}.services`, kind: 'todo' },
    text: `Steps reach a service at ${shown}, and not at localhost. Change the addresses in "env", in scripts and in files that they read.`,
  });
}

function leaveOut(
  { draft, lineOf }: JobOfWorkflow,
  map: YAMLMap,
  key: string,
  keys: Readonly<Record<string, readonly [NoteKind, string]>>,
): void {
  for (const [name, [kind, text]] of Object.entries(keys))
    if (map.has(name)) draft.drop(map, name, { line: lineOf(pairOf(map, name)), key: `${key}.${name}`, kind, text });
}

/** Of the options of a service those about health stay. */
function migrateOptions({ draft, lineOf }: JobOfWorkflow, service: YAMLMap, key: string): void {
  const text = textIn(service, 'options');
  const pair = pairOf(service, 'options');
  if (text === undefined || healthOptions(text).ok) return;
  const flags = flagsIn(text);
  const kept = flags.filter(isKept);
  if (flags.length > 0 && kept.length === flags.length) return;
  const left = flags.filter((flag) => !isKept(flag)).map(({ shown }) => shown);
  const place = { line: lineOf(pair), key: `${key}.options`, kind: 'todo' } as const;
  const why = 'Of these options only those about health are taken';
  if (kept.length === 0) {
    draft.drop(service, 'options', { ...place, text: `${why}. Put what the service needs into "env" or "command".` });
    return;
  }
  draft.before(service, 'options', { ...place, text: `${why}. Left out:`, original: left.join('\n') });
  if (isScalar(pair?.value)) {
    pair.value.value = kept.map(({ shown }) => shown).join(' ');
    delete pair.value.type;
  } else throw new TypeError(`no text: ${textOf(pair)}`);
}

interface Flag {
  readonly shown: string;
  readonly words: readonly string[];
}

/** Flags with what belongs to each. Empty when a quote is not closed. */
function flagsIn(text: string): readonly Flag[] {
  const expressions: string[] = [];
  // A space inside an expression parts no words.
  const masked = text.replace(/\$\{\{.*?\}\}/gs, (expression) => `\uE000${expressions.push(expression) - 1}\uE000`);
  const flags: string[][] = [];
  for (const word of splitWords(masked) ?? []) {
    const last = flags.at(-1);
    if (last === undefined || word.startsWith('-')) flags.push([word]);
    else last.push(word);
  }
  const whole = (word: string): string =>
    word.replace(/\uE000(\d+)\uE000/g, (all, index: string) => expressions[Number(index)] ?? all);
  return flags.map((words) => ({ words: words.map(whole), shown: whole(words.map(quoted).join(' ')) }));
}

function isKept({ words, shown }: Flag): boolean {
  return shown.includes('${{')
    ? /^--health-(?:cmd|interval|timeout|start-period|retries)(?:=|$)/.test(words[0] ?? '')
    : healthOptions(shown).ok;
}

function quoted(word: string): string {
  return /^[\w./:=,@%+\uE000-]+$/.test(word) ? word : `"${word.replace(/["\\$`]/g, String.raw`\$&`)}"`;
}
