/** Rules about the code itself. Who may import whom stands in docs/architecture.md; this file holds the code to it. */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { filesUnder, root } from './support/repository.ts';
import { tablesOf, ticked } from './support/markdown.ts';

interface SourceFile {
  /** From the top of the repository. */
  readonly path: string;
  readonly ast: ts.SourceFile;
  readonly lines: number;
  /** What stands after `from`, in `import` and `export`, static or dynamic. */
  readonly imports: readonly string[];
}

const sources = filesUnder('src', '.ts').map(readSource);

describe('imports', () => {
  const rules = tablesOf('docs/architecture.md', 'part')[0]?.rows.map(ruleOf) ?? [];

  it('go only where docs/architecture.md lets them', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(sources.flatMap((source) => forbiddenImports(source, rules))).toEqual([]);
  });

  it('are allowed for parts and files that exist', () => {
    const named = rules.flatMap(({ parts, mayImport }) => [...parts, ...mayImport]);
    expect(named.filter((part) => !sources.some(({ path }) => isIn(path, part)))).toEqual([]);
  });

  it('are allowed for packages only where one is used', () => {
    const unused = rules.flatMap(({ parts, packages }) => {
      const used = sources
        .filter(({ path }) => parts.some((part) => isIn(path, part)))
        .flatMap(({ imports }) => imports);
      return packages
        .filter((name) => !used.some((specifier) => fits(specifier, name)))
        .map((name) => `${parts.join(' ')}: ${name}`);
    });
    expect(unused).toEqual([]);
  });

  it('never make a circle', () => {
    expect(findCircle()).toEqual([]);
  });

  it('are of packages that package.json names', () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const declared = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
    const outside = sources.flatMap(({ path, imports }) =>
      imports
        .filter((name) => !isRelative(name) && !name.startsWith('node:'))
        .map((name) => ({ path, name: packageOf(name) })),
    );
    expect(outside.filter(({ name }) => !declared.includes(name))).toEqual([]);
    expect(outside.filter(({ name }) => builtinModules.includes(name))).toEqual([]);
  });
});

describe('no file', () => {
  it('is longer than 300 lines, and no C program longer than 500', () => {
    expect(sources.filter(({ lines }) => lines > 300).map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
    const programs = filesUnder('src', '.c').map((path) => ({
      path,
      lines: countLines(readFileSync(join(root, path), 'utf8')),
    }));
    expect(programs.filter(({ lines }) => lines > 500)).toEqual([]);
  });

  it('exports a default', () => {
    expect(findings((node) => ts.isExportAssignment(node) || hasModifier(node, ts.SyntaxKind.DefaultKeyword))).toEqual(
      [],
    );
  });

  it('has an enum, a namespace or the type any', () => {
    expect(
      findings(
        (node) => ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node) || node.kind === ts.SyntaxKind.AnyKeyword,
      ),
    ).toEqual([]);
  });

  it('has a boolean literal as a plain argument of a call to its own functions', () => {
    const own = new Set(
      sources.flatMap(({ ast }) => ast.statements.filter(ts.isFunctionDeclaration).map(({ name }) => name?.text)),
    );
    expect(
      findings(
        (node) =>
          ts.isCallExpression(node) &&
          ts.isIdentifier(node.expression) &&
          own.has(node.expression.text) &&
          node.arguments.some(isBoolean),
        booleansTolerated,
      ),
    ).toEqual([]);
  });
});

describe('the world is reached only by', () => {
  it('config.ts and the entry files for the environment', () => {
    expect(findings((node) => isMember(node, 'process', ['env']), ['src/config.ts', ...entries])).toEqual([]);
  });

  it('the entry files for signals and the end of the process', () => {
    expect(
      findings(
        (node) => isMember(node, 'process', ['exit', 'exitCode', 'on', 'once', 'argv', 'abort']),
        [...entries, 'src/demo/stop.ts'],
      ),
    ).toEqual([]);
  });

  it('nobody for the console', () => {
    expect(findings((node) => ts.isPropertyAccessExpression(node) && node.expression.getText() === 'console')).toEqual(
      [],
    );
  });

  it('the entry files for the standard streams', () => {
    expect(findings((node) => isMember(node, 'process', ['stdout', 'stderr', 'stdin']), entries)).toEqual([]);
  });
});

describe('core', () => {
  const core = sources.filter(({ path }) => path.startsWith('src/core/'));

  it('knows no time and no chance but what it is given', () => {
    const isClock = (node: ts.Node): boolean =>
      isMember(node, 'Date', ['now']) ||
      isMember(node, 'Math', ['random']) ||
      (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0);
    expect(findings(isClock, [], core)).toEqual([]);
  });

  it('uses nothing of Node and no timers', () => {
    const outside = [
      'Buffer',
      'process',
      'performance',
      'crypto',
      'fetch',
      'setTimeout',
      'setInterval',
      'setImmediate',
      'queueMicrotask',
      'globalThis',
    ];
    expect(
      findings((node) => ts.isIdentifier(node) && outside.includes(node.text) && !isNameOfMember(node), [], core),
    ).toEqual([]);
  });
});

/** What starts as a process of its own. */
const entries = ['src/main.ts', 'src/demo/main.ts', 'src/demo/push-working-tree.ts'];
/** `finalState(outcome, false)`: two calls side by side that differ in it. */
const booleansTolerated = ['src/core/commit-status.ts'];

interface Rule {
  readonly parts: readonly string[];
  readonly mayImport: readonly string[];
  readonly packages: readonly string[];
}

function ruleOf([parts = '', mayImport = '', packages = '']: readonly string[]): Rule {
  return { parts: ticked(parts), mayImport: ticked(mayImport), packages: ticked(packages) };
}

function forbiddenImports({ path, imports }: SourceFile, rules: readonly Rule[]): readonly string[] {
  const rule = rules.find(({ parts }) => parts.some((part) => isIn(path, part)));
  if (rule === undefined) return [`${path} stands in no row of docs/architecture.md`];
  return imports
    .filter((specifier) =>
      isRelative(specifier)
        ? !rule.mayImport.some((part) => isIn(targetOf(path, specifier), part))
        : !rule.packages.some((name) => fits(specifier, name)),
    )
    .map((specifier) => `${path} must not import ${specifier}`);
}

/** `src/core/` is a folder with all in it, `src/loop.ts` one file. */
function isIn(path: string, part: string): boolean {
  return part.endsWith('/') ? path.startsWith(part) : path === part;
}

/** `node:*` and `@octokit/*` stand for all of their kind. */
function fits(specifier: string, name: string): boolean {
  return name.endsWith('*') ? specifier.startsWith(name.slice(0, -1)) : packageOf(specifier) === name;
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

function targetOf(path: string, specifier: string): string {
  return join(dirname(path), specifier);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The first circle, as a list of files; types count, since they tie files together for a reader just as much. */
function findCircle(): readonly string[] {
  const targets = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter(isRelative).map((specifier) => targetOf(path, specifier)),
    ]),
  );
  const done = new Set<string>();
  const walk = (path: string, above: readonly string[]): readonly string[] => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const target of targets.get(path) ?? []) {
      const circle = walk(target, [...above, path]);
      if (circle.length > 0) return circle;
    }
    done.add(path);
    return [];
  };
  return [...targets.keys()].map((path) => walk(path, [])).find((circle) => circle.length > 0) ?? [];
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.ES2024, true);
  const imports: string[] = [];
  visit(ast, (node) => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : undefined;
    if (specifier !== undefined && ts.isStringLiteral(specifier)) imports.push(specifier.text);
  });
  return { path, ast, lines: countLines(text), imports };
}

function countLines(text: string): number {
  return text.trimEnd().split('\n').length;
}

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node);
  node.forEachChild((child) => {
    visit(child, look);
  });
}

/** `file:line: text` of every node that fits, outside the files that may have it. */
function findings(
  fitsRule: (node: ts.Node) => boolean,
  except: readonly string[] = [],
  among: readonly SourceFile[] = sources,
): readonly string[] {
  const found: string[] = [];
  for (const { path, ast } of among) {
    if (except.includes(path)) continue;
    visit(ast, (node) => {
      if (!fitsRule(node)) return;
      const { line } = ast.getLineAndCharacterOfPosition(node.getStart());
      found.push(`${path}:${line + 1}: ${node.getText().split('\n')[0]?.slice(0, 80) ?? ''}`);
    });
  }
  return found;
}

function isMember(node: ts.Node, object: string, names: readonly string[]): boolean {
  return ts.isPropertyAccessExpression(node) && node.expression.getText() === object && names.includes(node.name.text);
}

/** The name after a dot or in a type or object is not the global of that name. */
function isNameOfMember(node: ts.Identifier): boolean {
  const { parent } = node;
  return (
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    ((ts.isPropertySignature(parent) || ts.isPropertyAssignment(parent) || ts.isMethodSignature(parent)) &&
      parent.name === node)
  );
}

function isBoolean(node: ts.Expression): boolean {
  return node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword;
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}
