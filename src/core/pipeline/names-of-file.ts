/** Which names expressions can find at each place of a pipeline file, as far as the file tells. What it cannot know is open. */
import {
  githubAddresses,
  githubKeys,
  jobKeys,
  needKeys,
  runnerKeys,
  serviceKeys,
  stepKeys,
  strategyKeys,
} from '../expression/context-keys.ts';
import type { Read } from '../expression/expression-reads.ts';
import { dashed, imageOutputs } from '../image/image-spec.ts';
import { laneOutputs } from '../lane/lane-spec.ts';
import { closed, fixed, listed, OPEN, unknownName, type Absence, type Names, type UnknownName } from './known-names.ts';
import { needsIn } from './needs-in-file.ts';
import { nodeAt } from './pipeline-issues.ts';
import { sameName } from './pipeline-names.ts';
import { platformOf } from '../runs-on.ts';
import { shown } from '../shown.ts';
import type { YamlNode } from './yaml-tree.ts';

type Path = readonly (string | number)[];

/** The first name of a read that cannot be there, at a place of the file; undefined when all may be. */
export type FindUnknown = (read: Read, path: Path) => UnknownName | undefined;

/** `isWhole`: all that the file includes could be read. The tree may have any shape; where it has a wrong one, all is open. */
export function unknownNamesIn(root: YamlNode, isWhole: boolean): FindUnknown {
  const file = new FileNames(root, isWhole);
  return (read, path) => unknownName(read, file.contextAt(read.context, path));
}

/** What a file itself defines. */
const ofTheFile: ReadonlySet<string> = new Set(['needs', 'steps', 'matrix', 'inputs', 'vars']);

interface JobNames {
  readonly needs: Names;
  readonly matrix: Names;
  readonly job: Names;
  readonly steps: Steps;
}

class FileNames {
  readonly #root: YamlNode;
  readonly #vars: Names;
  readonly #inputs: Names;
  readonly #github: Names;
  /** By their names in lower case. */
  readonly #jobs: ReadonlyMap<string, string>;
  readonly #known = new Map<string, JobNames>();
  /** Made once: a hostile file reads thousands of outputs thousands of times. */
  readonly #outputs = new Map<string, Names>();

  constructor(root: YamlNode, isWhole: boolean) {
    this.#root = root;
    this.#vars = isWhole ? varsIn(root) : OPEN;
    this.#inputs = inputsIn(root);
    this.#github = githubNames(this.#inputs);
    this.#jobs = new Map([...(nodeAt(root, ['jobs'])?.entries.keys() ?? [])].map((job) => [sameName(job), job]));
  }

  contextAt(context: string, path: Path): Names {
    const [top, name, third, index, fourth, input] = path;
    const isInput = third === 'steps' && fourth === 'with';
    // Nothing in `with` is ever filled in: keys of caches count for nothing, and what is GitHub's own means it there.
    if (isInput && (input === 'key' || input === 'restore-keys' || !ofTheFile.has(context))) return OPEN;
    if (context === 'github') return this.#github;
    if (context === 'vars') return this.#vars;
    if (context === 'inputs') return this.#inputs;
    if (context === 'runner') return runner;
    if (context === 'strategy') return strategy;
    const job = top === 'jobs' && typeof name === 'string' ? this.#jobAt(name) : undefined;
    if (job === undefined) return OPEN;
    if (context === 'needs') return job.needs;
    if (context === 'matrix') return job.matrix;
    if (context === 'job') return job.job;
    if (context !== 'steps') return OPEN;
    return stepsBefore(job.steps, third === 'steps' && typeof index === 'number' ? index : Infinity);
  }

  #jobAt(name: string): JobNames | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const node = nodeAt(this.#root, ['jobs', name]);
    if (node === undefined || !isMapping(node)) return undefined;
    const names = { needs: this.#needsOf(name, node), matrix: matrixOf(node), job: jobOf(node), steps: stepsOf(node) };
    this.#known.set(name, names);
    return names;
  }

  #needsOf(name: string, node: YamlNode): Names {
    const entry = node.entries.get('needs')?.node;
    const needs = needsIn(node);
    const count = entry === undefined ? 0 : Array.isArray(entry.value) ? entry.items.length : 1;
    // What is no name has a problem of its own.
    if (needs.length < count || needs.some((need) => need.name.includes('${{'))) return OPEN;
    const keys = [...new Set(needs.map((need) => need.name))];
    const early = new Set(needs.flatMap((need) => ((need.awaited ?? []).length > 0 ? [need.name] : [])));
    const hasPhases = entry === undefined && nodeAt(this.#root, ['phases']) !== undefined;
    const absent = (key: string): Absence => {
      const other = this.#jobs.get(sameName(key));
      if (other !== undefined && other !== name) {
        const more = hasPhases ? ' (phases order jobs, and tell nothing of them)' : '';
        const next = `Add ${shown(other)} to its needs${more}`;
        return { why: `the job does not need ${shown(other)}`, next, isSure: true };
      }
      return {
        why: other === name ? 'a job knows nothing of itself' : 'there is no such job in its needs',
        next: keys.length === 0 ? 'It has none; add the job that is meant' : `Its needs: ${listed(keys)}`,
      };
    };
    return closed(keys, absent, (key) =>
      fixed(`needs.${key}`, needKeys, (part) => {
        if (part !== 'outputs') return OPEN;
        if (early.has(key)) return outputsOfEarly(key);
        const outputs = this.#outputs.get(key) ?? this.#outputsOf(key);
        this.#outputs.set(key, outputs);
        return outputs;
      }),
    );
  }

  #outputsOf(key: string): Names {
    const job = nodeAt(this.#root, ['jobs', key]);
    // It may be optional; otherwise its absence is a problem of its own.
    if (job === undefined || !isMapping(job)) return OPEN;
    const outputs = job.entries.get('outputs')?.node;
    if (outputs !== undefined && !isMapping(outputs)) return OPEN;
    const built = namesGiven(job);
    if (built === OPEN || built.endings === null) return OPEN;
    const { endings } = built;
    const names = [...keysOf(outputs), ...built.names];
    const known = closed(names, (name) => {
      const why = `the job ${shown(key)} has no output ${shown(name)}`;
      if (names.length === 0) return { why, next: 'Declare it below "outputs" of that job' };
      const facts = endings.length === 0 ? '' : `, and of each fact one that ends with ${listed(endings)}`;
      return { why, next: `Its outputs: ${listed(names)}${facts}` };
    });
    return {
      ...known,
      below: (name) => (endings.some((ending) => name.endsWith(ending)) ? OPEN : known.below(name)),
    };
  }
}

interface GivenNames {
  readonly names: readonly string[];
  /** What every fact of the build ends with: one of these; null = facts may be called anything. */
  readonly endings: readonly string[] | null;
}

/** Outputs that nobody declares. What facts tell is known once they are built; of several platforms, each has its own under names that end with it. */
function namesGiven(job: YamlNode): GivenNames | typeof OPEN {
  if (job.entries.has('lane')) return { names: laneOutputs, endings: [] };
  const image = job.entries.get('image')?.node;
  if (image === undefined) return { names: [], endings: [] };
  if (!isMapping(image)) return OPEN;
  const platforms = job.entries.get('platforms')?.node;
  const items = platforms === undefined ? [] : Array.isArray(platforms.value) ? platforms.items : [platforms];
  const known = items.flatMap(({ value }) => (typeof value === 'string' ? [platformOf(value) ?? value] : []));
  const endings = known.map((platform) => `-${dashed(platform)}`);
  const names = [...imageOutputs, ...endings.flatMap((ending) => imageOutputs.map((name) => `${name}${ending}`))];
  if (!image.entries.has('facts')) return { names, endings: [] };
  return { names, endings: new Set(known).size > 1 ? endings : null };
}

function outputsOfEarly(key: string): Names {
  const why = `of ${shown(key)} an artifact is awaited, and not its end`;
  return closed([], () => ({ why, next: `Need ${shown(key)} without "artifact"` }));
}

/** By their ids in lower case. */
type Steps = ReadonlyMap<string, StepId>;

interface StepId {
  readonly id: string;
  /** The first step with it; null = an action is among them, and reading those has rules of its own. */
  readonly index: number | null;
}

function stepsOf(job: YamlNode): Steps {
  const steps = new Map<string, StepId>();
  for (const [index, step] of (job.entries.get('steps')?.node.items ?? []).entries()) {
    const id = step.entries.get('id')?.node.value;
    if (typeof id !== 'string') continue;
    const first = steps.get(sameName(id)) ?? { id, index };
    steps.set(sameName(id), step.entries.has('uses') ? { id, index: null } : first);
  }
  return steps;
}

function stepsBefore(steps: Steps, before: number): Names {
  const all = (): readonly string[] =>
    [...steps.values()].filter(({ index }) => index === null || index < before).map(({ id }) => id);
  return {
    all,
    below: (name) => {
      const step = steps.get(name);
      if (step?.index === null) return OPEN;
      return step === undefined || step.index >= before ? undefined : fixed(`steps.${step.id}`, stepKeys);
    },
    absent: (name) => {
      const step = steps.get(sameName(name));
      if (step !== undefined) {
        const why = `the step ${shown(step.id)} ${step.index === before ? 'is this one' : 'comes later'}, and only earlier ones are known`;
        return { why, next: 'Read it in a step after that one', isSure: true };
      }
      const ids = all();
      const next = ids.length === 0 ? `Write "id: ${shown(name)}" at the step that is meant` : `Ids: ${listed(ids)}`;
      return { why: `no ${before === Infinity ? '' : 'earlier '}step of the job has this id`, next };
    },
  };
}

/** Axes, and what `include` and `platforms` add. */
function matrixOf(job: YamlNode): Names {
  const own = job.entries.get('strategy')?.node;
  const matrix = own?.entries.get('matrix')?.node;
  if (own !== undefined && (matrix === undefined || !isMapping(matrix))) return OPEN;
  const include = matrix?.entries.get('include')?.node;
  if (include !== undefined && (!Array.isArray(include.value) || !include.items.every(isMapping))) return OPEN;
  const axes = keysOf(matrix).filter((key) => key !== 'include' && key !== 'exclude');
  const names = [
    ...new Set([
      ...axes,
      ...(include?.items ?? []).flatMap(keysOf),
      ...(job.entries.has('platforms') && !job.entries.has('image') ? ['platform'] : []),
    ]),
  ];
  return closed(names, (name) =>
    names.length === 0
      ? { why: 'the job has no matrix', next: 'Add one below "strategy"' }
      : { why: `the matrix has no ${shown(name)}`, next: `It has ${listed(names)}` },
  );
}

function jobOf(job: YamlNode): Names {
  const services = job.entries.get('services')?.node;
  const names = keysOf(services);
  const absent = (name: string): Absence => ({
    why: `the job has no service ${shown(name)}`,
    next: names.length === 0 ? 'Add it below "services"' : `Its services: ${listed(names)}`,
  });
  const isOpen = services !== undefined && !isMapping(services);
  const known = isOpen ? OPEN : closed(names, absent, (name) => fixed(`job.services.${name}`, serviceKeys));
  return fixed('job', jobKeys, (key) => (key === 'services' ? known : OPEN));
}

function varsIn(root: YamlNode): Names {
  const node = nodeAt(root, ['vars']);
  if (node !== undefined && !isMapping(node)) return OPEN;
  return closed(keysOf(node), () => ({ why: 'the file has no such value below "vars"', next: 'Add it there' }));
}

function inputsIn(root: YamlNode): Names {
  const path = ['on', 'workflow_dispatch', 'inputs'];
  const node = nodeAt(root, path);
  if (node !== undefined && !isMapping(node)) return OPEN;
  return closed(keysOf(node), (name) => ({
    why: 'the file declares no such input',
    next: `Declare it as ${path.join('.')}.${shown(name)}`,
  }));
}

/** What people bring along from GitHub, and what stands in its place. */
const insteadOf: ReadonlyMap<string, string> = new Map([
  ['token', "Jobs get no token of GitHub's: store one of your own, and write secrets.NAME"],
  ...Object.entries(githubAddresses).map(([name, address]): [string, string] => [name, `Write '${address}'`]),
]);

/** The payload of an event is open, but for the inputs, which are those of the file. */
function githubNames(inputs: Names): Names {
  const event: Names = { ...fixed('github.event', []), below: (name) => (name === 'inputs' ? inputs : OPEN) };
  const names = fixed('github', githubKeys, (key) => (key === 'event' ? event : OPEN));
  return {
    ...names,
    absent: (name) => {
      const instead = insteadOf.get(sameName(name));
      const absence = names.absent(name);
      return instead === undefined ? absence : { ...absence, next: instead, isSure: true };
    },
  };
}

const runner = fixed('runner', runnerKeys);
const strategy = fixed('strategy', strategyKeys);

function keysOf(node: YamlNode | undefined): readonly string[] {
  return [...(node?.entries.keys() ?? [])];
}

function isMapping({ value }: YamlNode): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
