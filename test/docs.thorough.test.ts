/** Holds the documentation to the code: what the code has is documented, and nothing else is. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { exits } from '../src/cli/exit.ts';
import { parseConfig, type Environment } from '../src/config.ts';
import { otherVariables, settingKeys, settings, type SettingKey } from '../src/config/settings.ts';
import { parsePipeline } from '../src/core/pipeline/pipeline-file.ts';
import { poolKeys } from '../src/core/pool/pool-schema.ts';
import { endRules, orphanRules } from '../src/core/pool/rules.ts';
import { problemCodes } from '../src/core/problem.ts';
import { cloneUrls } from '../src/git/clone-url.ts';
import { createApp, type AppParts } from '../src/http/app.ts';
import { createProbes, type ProbeOptions } from '../src/ops/probes.ts';
import { codeBlocksOf, readDocument, sectionOf, tablesOf, ticked, withoutCode } from './support/markdown.ts';
import { filesUnder, root } from './support/repository.ts';

const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...filesUnder('docs', '.md')];
const sources = filesUnder('src', '.ts').map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
const machine = { cores: 8, home: '/home-of-a-user', from: '/folder' };
const required = { HEARTH_WEBHOOK_SECRET: 'a-secret', HEARTH_REPOS: 'octo/hello' };

describe('settings', () => {
  const rows = tablesOf('docs/configuration.md', 'file')[0]?.rows ?? [];
  const documented = rows.map(([key = '', variable = '', ...rest]) => ({
    key: ticked(key)[0] as SettingKey,
    variable: ticked(variable)[0],
    default: rest[0] ?? '',
    says: rest[1] ?? '',
  }));

  it('are all documented with their variables, and no other is', () => {
    expect(documented.map(({ key, variable }) => [key, variable])).toEqual(
      settingKeys.map((key) => [key, settings[key].variable]),
    );
    expect(tablesOf('docs/configuration.md', 'variable')[0]?.rows.map(([name = '']) => ticked(name)[0])).toEqual(
      otherVariables,
    );
  });

  it('have the documented default: written out, it changes nothing', () => {
    const shown = documented.filter((row) => row.default.startsWith('`'));
    expect(shown.length).toBeGreaterThan(8);
    const plain = configOf(required);
    for (const row of shown)
      expect(configOf({ ...required, [row.variable ?? '']: ticked(row.default)[0] }), row.key).toEqual(plain);
    const textual = Object.fromEntries(
      documented.filter((row) => !row.default.startsWith('`')).map((row) => [row.key, row.default]),
    );
    expect(textual['slots']).toBe('number of cores');
    expect(plain.slots).toBe(machine.cores);
    expect(Object.keys(textual).filter((key) => textual[key] === 'required')).toEqual(['webhook-secret', 'repos']);
    const none = Object.keys(textual).filter((key) => textual[key] === 'none');
    expect(none.length + 3).toBe(Object.keys(textual).length);
  });

  it('say "No effect yet" exactly where no code looks at them', () => {
    const dead = settingKeys.filter(
      (key) =>
        !readers[key].some((reader) =>
          sources.some(({ path, text }) => path !== 'src/config.ts' && text.includes(reader)),
        ),
    );
    expect(documented.filter(({ says }) => says.includes('No effect yet')).map(({ key }) => key)).toEqual(dead);
  });

  it('take a clone address only where git takes it, too', () => {
    const addresses = ['https', 'http', 'file', 'ssh', 'git', 'ext'].flatMap((scheme) => [
      `${scheme}://host/{owner}/{repo}.git`,
      `${scheme}://host/one.git`,
    ]);
    for (const address of addresses) {
      const isAccepted = parseConfig({ ...required, HEARTH_CLONE_URL: address }, null, machine).ok;
      const open = (): unknown => cloneUrls(address);
      if (isAccepted) expect(open, address).not.toThrow();
      else expect(open, address).toThrow();
    }
  });
});

/** How code outside config.ts names each setting when it uses it. */
const readers: Readonly<Record<SettingKey, readonly string[]>> = {
  listen: ['config.listen'],
  data: ['config.dataDirectory'],
  'webhook-secret': ['config.secrets.webhook'],
  repos: ['config.repos'],
  'public-url': ['config.publicUrl'],
  'github-token': ['secrets.githubToken'],
  'github-app-id': ['github.credential'],
  'github-app-private-key-file': ['credential.privateKeyFile'],
  'github-api-url': ['config.github.apiUrl'],
  'clone-url': ['config.cloneUrl'],
  slots: ['config.slots'],
  'admin-token': ['config.secrets.adminToken'],
  read: ['config.read'],
  'database-url': ['config.'], // refused by config.ts itself
  'cache-bytes': ['config.cacheBytes'],
  'log-bytes': ['config.logBytes'],
  'kept-bytes': ['config.kept'],
  'kept-for': ['config.kept'],
  'keep-days': ['config.keepDays'],
  labels: ['config.labels'],
  'stale-after': ['config.staleAfterMs'],
  'deadman-url': ['config.secrets.deadmanUrl'],
  'notify-url': ['config.secrets.notifyUrl'],
  'objects-url': ['config.secrets.objectsUrl'],
  'key-file': ['config.keyFile'],
  egress: ['config.egress'],
  'egress-allow': ['config.egress'],
  pools: ['config.pools'],
  'log-level': ['config.value.logLevel'],
};

describe('problems', () => {
  const text = readDocument('docs/problems.md');

  it('are all documented with their meaning and a cure, and no other is', () => {
    const headings = [...text.matchAll(/^### `([\w-]+)`$/gm)].map(([, code = '']) => code);
    expect(headings).toEqual(Object.keys(problemCodes));
    for (const [code, meaning] of Object.entries(problemCodes)) {
      const section = sectionOf(text, `### \`${code}\``);
      expect(section, code).toContain(meaning);
      expect(section, code).toMatch(/^Cure: \S/m);
    }
  });

  it('and every outcome that the code knows', () => {
    const rows = tablesOf('docs/problems.md', 'result')[0]?.rows.map(
      ([result = '', reason = '']) => `${ticked(result)[0]} ${ticked(reason)[0]}`,
    );
    const reasons = {
      failure: 'FailureReason',
      error: 'ErrorReason',
      cancelled: 'CancelReason',
      skipped: 'SkipReason',
    };
    const known = Object.entries(reasons).flatMap(([result, type]) =>
      wordsOfType('src/core/outcome.ts', type).map((reason) => `${result} ${reason}`),
    );
    expect(rows).toEqual(['success exit', ...known]);
  });
});

/** What the program itself says about its verbs. */
let program = '';
let verbs: readonly { readonly name: string; readonly usage: string; readonly options: readonly string[] }[] = [];

beforeAll(async () => {
  program = await help();
  verbs = (await Promise.all(commandsIn(program).map((name) => verbsOf(name)))).flat();
}, 120_000);

function commandsIn(said: string): readonly string[] {
  const listed = (said.split(/^Commands:$/m)[1] ?? '').matchAll(/^ {2}(\w+)/gm);
  return [...listed].map(([, name = '']) => name).filter((name) => name !== 'help');
}

/** The verb, or those that it is made of. */
async function verbsOf(...words: readonly [string, ...string[]]): Promise<typeof verbs> {
  const said = await help(...words);
  const below = commandsIn(said);
  if (below.length > 0) return (await Promise.all(below.map((word) => verbsOf(...words, word)))).flat();
  const usage = /^Usage: (.*)$/m.exec(said)?.[1]?.replace(' [options]', '') ?? '';
  return [{ name: words[0], usage, options: optionsIn(said).filter((flags) => flags !== '-h, --help') }];
}

describe('the command line', () => {
  const text = readDocument('docs/cli.md');

  it('has a section for every verb, in the order of the help, and for no other', () => {
    expect(verbs.length).toBeGreaterThan(8);
    expect([...text.matchAll(/^## `(.*)`$/gm)].map(([, usage]) => usage)).toEqual(verbs.map(({ usage }) => usage));
  });

  it('lists the options of every verb, and no other', () => {
    for (const { usage, options: known } of verbs) {
      const section = sectionOf(text, `## \`${usage}\``);
      const listed = section
        .split('\n')
        .filter((line) => line.startsWith('| `-'))
        .map((line) => ticked(line)[0]);
      expect(listed, usage).toEqual(known);
    }
  });

  it('names the options of all verbs', () => {
    const intro = text.split(/^## /m)[0] ?? '';
    expect(
      ticked(intro)
        .filter((word) => word.startsWith('-'))
        .toSorted(),
    ).toEqual(optionsIn(program).toSorted());
  });

  it('explains every exit code', () => {
    const rows = tablesOf('docs/cli.md', 'exit code')[0]?.rows.map(([code = '']) => Number(ticked(code)[0]));
    expect(rows).toEqual(Object.values(exits));
  });
});

describe('HTTP', () => {
  it('documents every route, and no other', () => {
    const listed = tablesOf('docs/http.md', 'address')[0]?.rows.map(([route = '']) => ticked(route)[0] ?? '');
    expect(listed?.toSorted()).toEqual(routesOfApp().toSorted());
  });

  it('names every status that a route can answer', () => {
    const text = readDocument('docs/http.md');
    const used = sources
      .filter(({ path }) => path.startsWith('src/http/') || path === 'src/github/webhook.ts')
      .flatMap((source) => statusesIn(source.text));
    expect(used.length).toBeGreaterThan(15);
    expect([...new Set(used)].filter((status) => !new RegExp(`\\b${status}\\b`).test(text))).toEqual([]);
  });

  it('documents every health check, and no other', () => {
    const listed = tablesOf('docs/operating.md', 'check')[0]?.rows.map(([name = '']) => ticked(name)[0]);
    const probes = createProbes({} as ProbeOptions);
    expect(listed).toEqual(probes.map(({ name }) => name));
  });
});

describe('the page about pools', () => {
  it('has every key of a pool, and no other', () => {
    const rows = tablesOf('docs/pools.md', 'key')[0]?.rows.map(([name = '']) => ticked(name)[0]);
    expect(rows?.toSorted()).toEqual([...poolKeys].toSorted());
  });

  it('names every rule by which a runner ends, in the words of the code', () => {
    const rows = tablesOf('docs/pools.md', 'rule')[0]?.rows.map(([name = '', text = '']) => [ticked(name)[0], text]);
    expect(rows).toEqual(Object.entries({ ...endRules, ...orphanRules }));
  });
});

describe('the architecture page', () => {
  const text = readDocument('docs/architecture.md');

  it('has every use-case of the store, and no other', () => {
    const rows = tablesOf('docs/architecture.md', 'use-case')[0]?.rows.map(([name = '']) => ticked(name)[0]);
    expect(rows).toEqual([
      ...membersOf('src/core/store-port.ts', 'Store'),
      ...membersOf('src/core/workflow.ts', 'WorkflowStore'),
      ...membersOf('src/core/pool/pool-store.ts', 'PoolStore'),
      ...membersOf('src/core/lane/dispatch.ts', 'DispatchStore'),
    ]);
  });

  it('leads through every folder and every file at the top of src', () => {
    const tour = sectionOf(text, '## The tour');
    const parts = readdirSync(join(root, 'src')).map((name) =>
      statSync(join(root, 'src', name)).isDirectory() ? `src/${name}/` : `src/${name}`,
    );
    expect(parts.filter((part) => !tour.includes(part))).toEqual([]);
  });

  it('names on disk only what the code makes', () => {
    const layout = codeBlocksOf(text).find(({ text: block }) => block.startsWith('hearth.db'))?.text ?? '';
    const names = layout.split('\n').flatMap((line) => /^([a-z][\w.-]*)/.exec(line)?.[1] ?? []);
    expect(names.length).toBeGreaterThan(8);
    expect(names.filter((name) => !sources.some(({ text: source }) => source.includes(`'${name}'`)))).toEqual([]);
  });

  it('uses the words that the code uses for states, results and classes', () => {
    const glossary = sectionOf(text, '## The words');
    const states = [...wordsOfType('src/core/job.ts', 'JobState'), ...wordsOfType('src/core/run.ts', 'TrustClass')];
    expect(states.filter((word) => !glossary.includes(word))).toEqual([]);
  });

  it('links every decision, numbered without a gap and with all its parts', () => {
    const pages = filesUnder('docs/adr', '.md');
    expect(pages.map((page) => /\/(\d{4})-[a-z0-9-]+\.md$/.exec(page)?.[1])).toEqual(
      pages.map((_, index) => String(index + 1).padStart(4, '0')),
    );
    for (const page of pages) {
      expect(text).toContain(`](${page.slice('docs/'.length)})`);
      expect(
        [...readDocument(page).matchAll(/^#+ .*$/gm)].map(([line]) => line),
        page,
      ).toEqual([
        expect.stringMatching(new RegExp(`^# ${page.slice(9, 13)} \\S`)),
        '## Status',
        '## Context',
        '## Decision',
        '## Consequences',
      ]);
    }
  });

  it('and its page about dependencies name every package, and no other', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(readDocument('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const declared = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(
      (name) => !name.startsWith('@types/'),
    );
    const listed = tablesOf('docs/adr/0005-dependencies.md', 'package').flatMap(({ rows }) =>
      rows.flatMap(([names = '']) => ticked(names)),
    );
    expect(listed.toSorted()).toEqual(declared.toSorted());
  });
});

describe.each(documents)('%s', (path) => {
  const text = readDocument(path);

  it('links only to what is there', () => {
    const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^https?:/.test(target));
    expect(links.filter((link) => !isThere(path, link))).toEqual([]);
  });

  it('names only files and folders that are there', () => {
    const names = [...text.matchAll(/(?<![\w/.-])(?:src|test|docs|provision)\/[\w./-]*[\w/]/g)].map(([name]) => name);
    expect(names.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });

  it('has examples that parse', () => {
    for (const block of codeBlocksOf(text))
      expect(troubleOf(block.language, block.text), `${path}:${block.line}`).toEqual([]);
  });

  it('names only verbs and scripts that exist', () => {
    const own = text.replace(/^```ya?ml\n[\s\S]*?^```$/gm, '');
    const { scripts } = JSON.parse(readDocument('package.json')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const called = [...own.matchAll(/npm (?:run (?:-s )?)?(demo|test(?::\w+)?|(?<=run (?:-s )?)[\w:]+)/g)].map(
      ([, name = '']) => name,
    );
    expect(called.filter((name) => !(name in scripts))).toEqual([]);
    const named = [...own.matchAll(/(?:`hearth|npm run -s hearth --)(?: -C \S+)? ([a-z]+)/g)].map(
      ([, name = '']) => name,
    );
    expect(named.filter((name) => !verbs.some((verb) => verb.name === name))).toEqual([]);
  });

  it("keeps to the house words and tells nothing of anybody's machine", () => {
    expect(text.match(/\b(?:stages?|redact\w*|canceled|canceling)\b/gi)).toBeNull();
    expect(
      text.match(/(?<!["'\w])\/(?:work\/(?!\s)[a-z]|home\/\w|Users\/|tmp\/\w|root\/(?!\.cache)\w)\S*/g),
    ).toBeNull();
    expect(text.match(/https?:\/\/(?:localhost|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)\S*/g)).toBeNull();
    expect(text.match(/https?:\/\/(?:registry|npm|proxy|mirror)\.\S*/g)).toBeNull();
  });
});

describe('comments in the code', () => {
  it('name only documents that are there', () => {
    const programs = [...filesUnder('src', '.c'), ...filesUnder('src', '.ts')];
    const named = programs.flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/docs\/[\w/-]+(?:\.(?:md|json))?/g)].map(([name]) => name),
    );
    expect(named.length).toBeGreaterThan(3);
    const pages = filesUnder('docs', '');
    expect(named.filter((name) => !pages.some((page) => page.startsWith(name)))).toEqual([]);
  });
});

function configOf(environment: Environment): Extract<ReturnType<typeof parseConfig>, { ok: true }>['value'] {
  const config = parseConfig(environment, null, machine);
  if (!config.ok) throw new Error(JSON.stringify(config.problem));
  return config.value;
}

async function help(...verb: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', ...verb, '--help'], {
    cwd: root,
    env: { ...process.env, COLUMNS: '400' },
  });
  return stdout;
}

/** The flags below `Options:`, as the help writes them. */
function optionsIn(said: string): readonly string[] {
  const [part = ''] = (said.split(/^Options:$/m)[1] ?? '').split(/^(?:Global Options|Commands):$/m);
  return [...part.matchAll(/^ {2}(-.*?)(?: {2,}|$)/gm)].map(([, flags = '']) => flags);
}

interface RouterLayer {
  readonly handle?: { readonly stack?: readonly RouterLayer[] };
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

/** `GET /livez` and so on; what answers 405 has no method. */
function routesOfApp(): readonly string[] {
  const app = createApp({ access: {}, links: {}, probes: [], readyNeeds: [] } as unknown as AppParts) as unknown as {
    readonly router: { readonly stack: readonly RouterLayer[] };
  };
  const found: string[] = [];
  const walk = (layers: readonly RouterLayer[]): void => {
    for (const { handle, route } of layers) {
      if (route)
        for (const { method } of route.stack)
          if (method !== undefined) found.push(`${method.toUpperCase()} ${route.path}`);
      if (handle?.stack) walk(handle.stack);
    }
  };
  walk(app.router.stack);
  return found;
}

/** Numbers that stand where a status stands: an argument of a reply, or the type of one. */
function statusesIn(text: string): readonly string[] {
  return [
    ...text.matchAll(
      /(?:\.status\(|sendError\(\s*response,\s*|answerAndClose\(\s*request,\s*response,\s*|refused\(\s*|status: |\| |conclude\([^)]*?, )([2-5]\d\d)\b/g,
    ),
  ].map(([, status = '']) => status);
}

/** The words of a union of text literals. */
function wordsOfType(path: string, name: string): readonly string[] {
  const node = declarationIn(path, name);
  const types =
    node !== undefined && ts.isTypeAliasDeclaration(node) && ts.isUnionTypeNode(node.type) ? node.type.types : [];
  return types.flatMap((type) =>
    ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal) ? [type.literal.text] : [],
  );
}

function membersOf(path: string, name: string): readonly string[] {
  const node = declarationIn(path, name);
  return node !== undefined && ts.isInterfaceDeclaration(node)
    ? node.members.map((member) => member.name?.getText() ?? '')
    : [];
}

function declarationIn(path: string, name: string): ts.Statement | undefined {
  const file = ts.createSourceFile(path, readDocument(path), ts.ScriptTarget.ES2024, true);
  return file.statements.find(
    (node) => (ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) && node.name.text === name,
  );
}

function isThere(from: string, link: string): boolean {
  const [target = '', anchor] = link.split('#');
  const path = target === '' ? from : normalize(join(dirname(from), target));
  if (!existsSync(join(root, path))) return false;
  return (
    anchor === undefined ||
    [...readDocument(path).matchAll(/^#+ (.*)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor)
  );
}

/** As GitHub makes them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** What is wrong with an example, by what it is: JSON, a pipeline, settings, or any YAML. */
function troubleOf(language: string, text: string): readonly unknown[] {
  if (language === 'json') return attempt(() => JSON.parse(text));
  if (language !== 'yaml' && language !== 'yml') return [];
  const broken = attempt(() => parseYaml(text));
  const value: unknown = broken.length > 0 ? null : parseYaml(text);
  if (typeof value !== 'object' || value === null) return broken;
  if ('jobs' in value) {
    const parsed = parsePipeline(text, '.hearth/example.yml');
    return parsed.ok ? [] : parsed.problem;
  }
  if ('webhook-secret' in value) {
    const parsed = parseConfig({}, { path: 'hearth.yml', text }, machine);
    return parsed.ok ? [] : parsed.problem;
  }
  return [];
}

function attempt(read: () => unknown): readonly unknown[] {
  try {
    read();
    return [];
  } catch (error) {
    return [error];
  }
}
