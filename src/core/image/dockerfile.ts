/** What a Dockerfile builds on, and the same Dockerfile with every base written out as what it was resolved to. Pure. */
import { DockerfileParser, Copy, From, JSONInstruction, type Dockerfile, type Instruction } from 'dockerfile-ast';
import { doubtsAbout } from './dockerfile-doubts.ts';
import { failed, success, type Result } from '../result.ts';
import { shown } from '../shown.ts';

/** An image that the build needs and that no stage of the file makes. */
export interface Base {
  /** With arguments filled in. */
  readonly name: string;
  readonly platform: string;
}

export interface DockerfilePlan {
  /** Each once, in the order of the file; only what the target needs. */
  readonly bases: readonly Base[];
  /** Names of stages that the target needs and that have RUN instructions for another platform than the machine's. */
  readonly foreign: readonly string[];
  /** Lines of ADD instructions that the target needs and that may fetch something from a network. */
  readonly fetches: readonly number[];
  /** The text with these references in the place of the bases. */
  rewrite(resolved: (base: Base) => string): string;
}

export interface DockerfileRequest {
  readonly text: string;
  /** The last stage when null. */
  readonly target: string | null;
  /** Build arguments, which go before defaults of the file. */
  readonly args: Readonly<Record<string, string>>;
  readonly platform: string;
  /** The platform of the engine. */
  readonly buildPlatform: string;
}

interface Stage {
  readonly index: number;
  readonly name: string;
  readonly platform: string;
  readonly uses: readonly Use[];
  readonly hasRun: boolean;
  /** Lines. */
  readonly fetches: readonly number[];
}

/** A place where a stage or an image is named. */
interface Use {
  readonly name: string;
  readonly platform: string;
  readonly from: number;
  readonly to: number;
  /** `FROM` needs an image or an earlier stage; `COPY --from` takes numbers as well. */
  readonly isFrom: boolean;
}

/** Undefined variables, unknown targets and files without FROM are problems, one sentence each. Never throws. */
export function planDockerfile(request: DockerfileRequest): Result<DockerfilePlan, readonly string[]> {
  const file = parsed(request.text);
  if (file === undefined) return failed(['it is no Dockerfile']);
  const at = offsets(request.text);
  const doubts = doubtsAbout(file, request.text, ({ start, end }) => request.text.slice(at(start), at(end)));
  if (doubts.length > 0) return failed(doubts);
  const problems: string[] = [];
  const stages = stagesOf(file, request, problems);
  const last = stages.at(-1);
  if (last === undefined) return failed(['it has no FROM']);
  const wanted = request.target;
  const target = wanted === null ? last : stageCalled(stages, wanted);
  if (target === undefined) {
    const names = stages.flatMap(({ name, index }) => (name === String(index) ? [] : [name]));
    const known = names.length === 0 ? 'it names none' : `it has ${names.map(shown).join(', ')}`;
    return failed([`it has no target ${shown(wanted ?? '')}; ${known}`]);
  }
  if (problems.length > 0) return failed(problems);
  const needed = neededBy(target, stages);
  const uses = needed.flatMap((stage) => externalUses(stage, stages));
  return success({
    bases: unique(uses.map(({ name, platform }) => ({ name, platform }))),
    fetches: needed.flatMap((stage) => stage.fetches),
    foreign: needed
      .filter(({ hasRun, platform }) => hasRun && platform !== request.buildPlatform)
      .map(({ name }) => name),
    rewrite: (resolved) => withReplaced(request.text, uses, resolved),
  });
}

function parsed(text: string): Dockerfile | undefined {
  try {
    return DockerfileParser.parse(text);
  } catch {
    // The parser throws only on what is no text of a Dockerfile at all.
    return undefined;
  }
}

function stagesOf(file: Dockerfile, request: DockerfileRequest, problems: string[]): readonly Stage[] {
  const at = offsets(request.text);
  const values = variablesOf(file, request);
  const stages: { -readonly [K in keyof Stage]: Stage[K] }[] = [];
  const fill = (text: string, where: Instruction): string => {
    const found = filled(text, values);
    if (found.ok) return found.value;
    problems.push(`line ${where.getRange().start.line + 1}: ${found.problem}`);
    return '';
  };
  for (const instruction of file.getInstructions()) {
    if (instruction instanceof From) {
      const [image, range] = [instruction.getImage(), instruction.getImageRange()];
      if (image === null || range === null) {
        problems.push(`line ${instruction.getRange().start.line + 1}: FROM names no image`);
        continue;
      }
      const name = fill(image, instruction);
      // What is built on an earlier one is of the same platform, whatever it says itself.
      const below = stages.findLast((stage) => isCalled(stage, name));
      const own = fill(instruction.getPlatformFlag()?.getValue() ?? request.platform, instruction);
      const platform = below?.platform ?? own;
      const use = { name, platform, isFrom: true, from: at(range.start), to: at(range.end) };
      const index = stages.length;
      const called = instruction.getBuildStage() ?? String(index);
      stages.push({ index, name: called, platform, uses: [use], hasRun: false, fetches: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined || instruction.getKeyword() === 'ARG') continue;
    stage.hasRun ||= instruction.getKeyword() === 'RUN';
    stage.uses = [...stage.uses, ...sourcesOf(instruction, stage.platform, at)];
    if (mayFetch(instruction)) stage.fetches = [...stage.fetches, instruction.getRange().start.line + 1];
  }
  return stages;
}

/** An address, or what could come out as one; `git@host:path` is one, too. */
function mayFetch(instruction: Instruction): boolean {
  if (instruction.getKeyword() !== 'ADD') return false;
  return /[:@$\\]/.test((instruction.getArgumentsContent() ?? '').replaceAll(/(?:^|\s)--\S+/g, ''));
}

/** `COPY --from=` and `RUN --mount=…,from=`; BuildKit fills in no variables there. */
function sourcesOf(instruction: Instruction, platform: string, at: (place: Place) => number): readonly Use[] {
  const isCopy = instruction instanceof Copy;
  if (!isCopy && !(instruction instanceof JSONInstruction)) return [];
  return instruction.getFlags().flatMap((flag): readonly Use[] => {
    const [value, range] = [flag.getValue(), flag.getValueRange()];
    if (value === null || range === null) return [];
    if (isCopy && flag.getName() === 'from') return [{ ...placed(value, 0), platform, isFrom: false }];
    if (flag.getName() !== 'mount') return [];
    const found = /(?:^|,)from=([^,]*)/i.exec(value);
    if (found?.[1] === undefined) return [];
    return [{ ...placed(found[1], found.index + found[0].length - found[1].length), platform, isFrom: false }];

    function placed(name: string, offset: number) {
      const from = at(range?.start ?? { line: 0, character: 0 }) + offset;
      return { name: unquoted(name), from, to: from + name.length };
    }
  });
}

function unquoted(text: string): string {
  return /^(["']).*\1$/.test(text) ? text.slice(1, -1) : text;
}

function stageCalled(stages: readonly Stage[], name: string): Stage | undefined {
  return stages.findLast((stage) => stage.name.toLowerCase() === name.toLowerCase()) ?? stages[numberIn(name)];
}

function numberIn(name: string): number {
  return /^\d+$/.test(name) ? Number(name) : -1;
}

/** `FROM` knows stages by name, and not by number. */
function isCalled({ name }: Pick<Stage, 'name'>, wanted: string): boolean {
  return name.toLowerCase() === wanted.toLowerCase() && !/^\d+$/.test(wanted);
}

/** The stage that a name means at a place of the file; undefined = an image. */
function stageOf(use: Use, user: Stage, stages: readonly Stage[]): Stage | undefined {
  const earlier = stages.slice(0, user.index);
  return use.isFrom ? earlier.findLast((stage) => isCalled(stage, use.name)) : stageCalled(earlier, use.name);
}

function neededBy(target: Stage, stages: readonly Stage[]): readonly Stage[] {
  const needed = new Set<Stage>();
  const visit = (stage: Stage): void => {
    if (needed.has(stage)) return;
    needed.add(stage);
    for (const use of stage.uses) {
      const below = stageOf(use, stage, stages);
      if (below !== undefined) visit(below);
    }
  };
  visit(target);
  return stages.filter((stage) => needed.has(stage));
}

function externalUses(stage: Stage, stages: readonly Stage[]): readonly Use[] {
  return stage.uses.filter((use) => use.name !== 'scratch' && stageOf(use, stage, stages) === undefined);
}

function unique(bases: readonly Base[]): readonly Base[] {
  return [...new Map(bases.map((base) => [`${base.platform} ${base.name}`, base])).values()];
}

function withReplaced(text: string, uses: readonly Use[], resolved: (base: Base) => string): string {
  let result = text;
  for (const use of uses.toSorted((a, b) => b.from - a.from))
    result = `${result.slice(0, use.from)}${resolved(use)}${result.slice(use.to)}`;
  return result;
}

/** What ARGs before the first FROM and BuildKit itself give: https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope */
function variablesOf(file: Dockerfile, request: DockerfileRequest): ReadonlyMap<string, string> {
  const values = new Map([
    ...platformVariables('TARGET', request.platform),
    ...platformVariables('BUILD', request.buildPlatform),
  ]);
  for (const instruction of file.getInitialARGs()) {
    const [property] = instruction.getProperty() === null ? [] : [instruction.getProperty()];
    const name = property?.getName();
    if (name === undefined) continue;
    const given = Object.hasOwn(request.args, name) ? request.args[name] : undefined;
    const own = property?.getValue() ?? null;
    const value = given ?? (own === null ? values.get(name) : valueOr(filled(own, values)));
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

function valueOr(found: Result<string, string>): string | undefined {
  return found.ok ? found.value : undefined;
}

function platformVariables(side: string, platform: string): readonly [string, string][] {
  const [os = '', architecture = '', variant = ''] = platform.split('/');
  return [
    [`${side}PLATFORM`, platform],
    [`${side}OS`, os],
    [`${side}ARCH`, architecture],
    [`${side}VARIANT`, variant],
  ];
}

/** `$A`, `${A}`, `${A:-else}`, `${A:+then}`. */
function filled(text: string, values: ReadonlyMap<string, string>): Result<string, string> {
  const unknown = new Set<string>();
  const value = text.replaceAll(
    /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g,
    (
      _,
      plain: string | undefined,
      name: string | undefined,
      operator: string | undefined,
      word: string | undefined,
    ) => {
      const key = plain ?? name ?? '';
      const found = values.get(key);
      if (operator === '+') return found === undefined || found === '' ? '' : (word ?? '');
      if (found !== undefined && (found !== '' || operator === undefined)) return found;
      if (operator === '-') return word ?? '';
      unknown.add(key);
      return '';
    },
  );
  const [first] = unknown;
  if (first === undefined) return success(unquoted(value));
  return failed(
    `${shown(`$${first}`)} has no value here; give it a default with ARG before the first FROM, or in image.args`,
  );
}

interface Place {
  readonly line: number;
  readonly character: number;
}

function offsets(text: string): (place: Place) => number {
  const starts = [0];
  for (const found of text.matchAll(/\r\n|\n|\r/g)) starts.push(found.index + found[0].length);
  return ({ line, character }) => (starts[line] ?? text.length) + character;
}
