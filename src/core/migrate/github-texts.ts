/** Expressions of a workflow that mean something else here, or nothing. */
import { isMap, isScalar, isSeq, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import { githubAddresses } from '../expression/context-keys.ts';
import { split } from '../expression/expression-syntax.ts';
import { keyOf } from './draft.ts';

export interface Holder {
  readonly node: Scalar;
  readonly parent: YAMLMap | YAMLSeq;
  /** The key in the parent; empty in a list. */
  readonly key: string;
}

/** Every text below a node, with where it stands. */
export function forEachText(
  node: unknown,
  see: (text: string, path: readonly (string | number)[], holder: Holder) => void,
  path: readonly (string | number)[] = [],
): void {
  if (!isMap(node) && !isSeq(node)) return;
  for (const [index, item] of [...node.items].entries()) {
    const key = isMap(node) ? keyOf(item) : '';
    const value: unknown = isMap(node) ? (item as { readonly value: unknown }).value : item;
    const below = [...path, isMap(node) ? key : index];
    if (isScalar(value) && typeof value.value === 'string') see(value.value, below, { node: value, parent: node, key });
    else forEachText(value, see, below);
  }
}

/** The secrets that the expressions of a text read, GitHub's own token among them. */
export function secretsIn(text: string): readonly string[] {
  return namesIn(text, /\bsecrets\s*\.\s*([A-Za-z_]\w*)/g);
}

/** The `vars` that the expressions of a text read. */
export function varsIn(text: string): readonly string[] {
  return namesIn(text, /\bvars\s*\.\s*([A-Za-z_][\w-]*)/g);
}

function namesIn(text: string, pattern: RegExp): readonly string[] {
  const parts = split(text);
  const expressions = parts.ok ? parts.value.flatMap((part) => ('expression' in part ? [part.expression] : [])) : [];
  return expressions.flatMap((expression) => {
    const bare = expression.replace(/'(?:[^']|'')*'/g, "''");
    return [...bare.matchAll(pattern)].map(([, name = '']) => name);
  });
}

export interface WrittenOut {
  readonly text: string;
  /** What was replaced; empty = nothing. */
  readonly names: readonly string[];
}

/** The keys of `github` that are always the same on GitHub, and not known here, in an expression or a bare condition. */
export function addressesInCondition(condition: string): WrittenOut {
  const names = new Set<string>();
  const text = condition.replace(
    /'(?:[^']|'')*'|(?<![\w.-])github\.(server_url|api_url|graphql_url)(?![\w-])/g,
    (found, name: keyof typeof githubAddresses | undefined) => {
      if (name === undefined) return found;
      names.add(name);
      return `'${githubAddresses[name]}'`;
    },
  );
  return { text, names: [...names] };
}

/** The same in a text with `${{ }}`. */
export function addressesInText(text: string): WrittenOut {
  const parts = split(text);
  const names = new Set<string>();
  const written = (parts.ok ? parts.value : [{ text }]).map((part) => {
    if ('text' in part) return part.text;
    const found = addressesInCondition(part.expression);
    for (const name of found.names) names.add(name);
    const alone = found.names.length > 0 ? /^\s*'([^']*)'\s*$/.exec(found.text)?.[1] : undefined;
    return alone ?? `\${{${found.text}}}`;
  });
  return { text: written.join(''), names: [...names] };
}
