import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePipeline } from '../../src/core/pipeline/pipeline-file.ts';
import { formatProblem } from '../../src/core/problem.ts';
import { keyTable, pipelineJsonSchema } from '../../src/core/pipeline/pipeline-reference.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const page = readFileSync(join(docs, 'pipeline-file.md'), 'utf8');

describe('docs/pipeline-file.md', () => {
  it('holds the table of keys that the schema gives (run "node ci/json-schema.ts" after a change)', () => {
    expect(page).toContain(`-->\n${keyTable()}\n<!-- end of keys -->`);
  });

  it('holds only examples that are valid', () => {
    const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text).filter((text) => text.includes('jobs:'));
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const example of examples) {
      const parsed = parsePipeline(example, 'example.yml');
      expect(parsed.ok ? [] : parsed.problem.map(formatProblem)).toEqual([]);
    }
  });

  it('describes every key', () => {
    for (const row of keyTable().split('\n').slice(2)) expect(row, row).toMatch(/^\| `[^`]+` \| [^|]+ \| .{10,} \|$/);
  });
});

describe('docs/pipeline.schema.json', () => {
  it('is what the schema gives (run "node ci/json-schema.ts" after a change)', () => {
    expect(JSON.parse(readFileSync(join(docs, 'pipeline.schema.json'), 'utf8'))).toEqual(pipelineJsonSchema());
  });
});
