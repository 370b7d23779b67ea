import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyTable } from '../../src/core/pipeline/pipeline-reference.ts';
import { readYaml } from '../../src/core/pipeline/yaml-tree.ts';

const root = import.meta.dirname;

/** Paths of all keys of a value; lists are looked through. */
function keysIn(value: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysIn(item, path));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => [[...path, key], ...keysIn(below, [...path, key])]);
}

const documented = keyTable()
  .split('\n')
  .slice(2)
  .map((row) => /^\| `([^`]+)`/.exec(row)?.[1] ?? '');

const written = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.yml'))
  .flatMap((path) => {
    const tree = readYaml(readFileSync(join(root, path), 'utf8'));
    return tree.ok ? keysIn(tree.value.value, []) : [];
  });

function isWritten(key: string): boolean {
  const parts = key.replaceAll('[]', '').split('.');
  return written.some(
    (path) => path.length === parts.length && parts.every((part, index) => part === '<name>' || part === path[index]),
  );
}

describe('every documented key of the pipeline file', () => {
  it('is found in the table', () => {
    expect(documented.length).toBeGreaterThan(80);
    expect(documented).not.toContain('');
    expect(isWritten('jobs.<name>.nothing')).toBe(false);
  });

  it('stands in a case below test/pipelines', () => {
    expect(documented.filter((key) => !isWritten(key))).toEqual([]);
  });
});
