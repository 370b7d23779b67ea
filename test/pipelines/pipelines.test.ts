/**
 * One folder per case: `pipeline.yml` and what must come of it, `expected.json`: the jobs with what they wait for and the
 * pipeline's other fields, or all problems. `npx vitest run test/pipelines -u` writes the second file for a new case.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expandPipeline } from '../../src/core/expand.ts';
import { parsePipeline } from '../../src/core/pipeline-file.ts';
import { formatProblem } from '../../src/core/problem.ts';

const root = import.meta.dirname;
const cases = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe('pipeline files', () => {
  it.each(cases)('%s', async (name) => {
    const text = readFileSync(join(root, name, 'pipeline.yml'), 'utf8');
    await expect(`${JSON.stringify(outcomeOf(text, name), null, 2)}\n`).toMatchFileSnapshot(join(root, name, 'expected.json'));
  });

  it('hostile numbers of expressions are refused within moments', () => {
    const started = performance.now();
    for (const text of [
      `jobs:\n  a:\n    run: "${'${{ a }}'.repeat(100_000)}"\n`,
      `env:\n  A: &x "${'${{ a }}'.repeat(1_000)}"\n${Array.from({ length: 5_000 }, (_, index) => `  V${index}: *x`).join('\n')}\njobs: {a: {run: x}}\n`,
    ]) {
      const parsed = parsePipeline(text, 'x.yml');
      expect(parsed.ok ? Infinity : parsed.problem.length).toBeLessThanOrEqual(60);
    }
    // Without a limit the first alone takes more than a minute.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('every problem has a place and a next step', () => {
    const problems = cases.flatMap((name) => {
      const parsed = parsePipeline(readFileSync(join(root, name, 'pipeline.yml'), 'utf8'), `${name}.yml`);
      return parsed.ok ? [] : parsed.problem;
    });
    expect(problems.length).toBeGreaterThan(80);
    for (const problem of problems) {
      expect(problem.position, formatProblem(problem)).toBeDefined();
      expect(problem.message).toMatch(/[.!?]$/);
      expect(problem.message).not.toMatch(/undefined|\[object|Invalid|NaN/);
    }
  });
});

/** What a push would bring. */
const github = { event_name: 'push', ref: 'refs/heads/main', ref_name: 'main', event: { labels: ['a', 'b'] } };

function outcomeOf(text: string, name: string): unknown {
  const parsed = parsePipeline(text, `.hearth/${name}.yml`);
  if (!parsed.ok) return { problems: parsed.problem.map(formatProblem) };
  const { jobs: _, ...rest } = parsed.value;
  const jobs = expandPipeline(parsed.value, { contexts: { github, inputs: {} } });
  if (!jobs.ok) return { problems: jobs.problem.map(formatProblem) };
  return { ...rest, jobs: jobs.value.map(({ spec, waitsFor }) => ({ ...spec, waitsFor })) };
}
