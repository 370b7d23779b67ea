/** Expressions of a workflow that mean something else here, or nothing. */
import { isMap, isScalar, isSeq, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import { split } from '../expression-syntax.ts';
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
  const parts = split(text);
  const expressions = parts.ok ? parts.value.flatMap((part) => ('expression' in part ? [part.expression] : [])) : [];
  return expressions.flatMap((expression) =>
    [...expression.matchAll(/\bsecrets\s*\.\s*([A-Za-z_]\w*)/g)].map(([, name = '']) => name),
  );
}

/** Of `github.`: what expressions.md lists. */
const known: ReadonlySet<string> = new Set(
  (
    'actor base_ref event event_name head_ref job ref ref_name ref_type repository repository_id repository_owner ' +
    'run_attempt run_id run_number sha workflow workspace'
  ).split(' '),
);

const constants: Readonly<Record<string, string>> = {
  server_url: 'https://github.com',
  api_url: 'https://api.github.com',
  graphql_url: 'https://api.github.com/graphql',
};

/** Names in the expressions of a text (or in a bare condition) that are empty here, and the `vars` it reads. */
export function strayNames(text: string): readonly { readonly name: string; readonly advice: string }[] {
  const parts = split(text);
  const expressions = parts.ok ? parts.value.flatMap((part) => ('expression' in part ? [part.expression] : [])) : [];
  return expressions.flatMap((expression) => {
    const bare = expression.replace(/'(?:[^']|'')*'/g, "''");
    return [...bare.matchAll(/\b(github|runner|vars)\s*\.\s*([A-Za-z_][\w-]*)/g)].flatMap(
      ([, context, property = '']) => {
        const name = `${context}.${property}`;
        if (context === 'vars') return [{ name, advice: '' }];
        const isKnown =
          context === 'github' ? known.has(property) : ['os', 'name', 'environment', 'temp'].includes(property);
        if (isKnown) return [];
        const constant = constants[property];
        return [
          {
            name,
            advice:
              constant === undefined
                ? property === 'token'
                  ? "github.token is empty here: jobs get no token of GitHub's. Use a token of your own."
                  : `${name} is empty here. Write the value itself, or do without it.`
                : `${name} is empty here. Write ${constant}.`,
          },
        ];
      },
    );
  });
}
