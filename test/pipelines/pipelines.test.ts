/**
 * One folder per case: `pipeline.yml`, the files it includes, and what must come of it, `expected.json`: the jobs with what they wait for and the
 * pipeline's other fields, or all problems. `npx vitest run test/pipelines -u` writes the second file for a new case.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expandPipeline } from '../../src/core/plan/expand.ts';
import { loadPipeline, parsePipeline } from '../../src/core/pipeline/pipeline-file.ts';
import type { Pipeline } from '../../src/core/pipeline/pipeline.ts';
import { formatProblem, type Problem } from '../../src/core/problem.ts';
import { failed, success, type Result } from '../../src/core/result.ts';

const root = import.meta.dirname;
const cases = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe('pipeline files', () => {
  it.each(cases)('%s', async (name) => {
    await expect(`${JSON.stringify(outcomeOf(await load(name)), null, 2)}\n`).toMatchFileSnapshot(join(root, name, 'expected.json'));
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

  it('every problem has a place and a next step', async () => {
    const parsed = await Promise.all(cases.map(load));
    const problems = parsed.flatMap((one) => (one.ok ? [] : one.problem));
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

function load(name: string): Promise<Result<Pipeline, readonly Problem[]>> {
  const text = readFileSync(join(root, name, 'pipeline.yml'), 'utf8');
  return loadPipeline(text, `.hearth/${name}.yml`, async (path) => {
    const file = join(root, name, path);
    return existsSync(file) ? success(readFileSync(file, 'utf8')) : failed('is not there');
  });
}

function outcomeOf(parsed: Result<Pipeline, readonly Problem[]>): unknown {
  if (!parsed.ok) return { problems: parsed.problem.map(formatProblem) };
  const { jobs: _, ...rest } = parsed.value;
  const jobs = expandPipeline(parsed.value, { contexts: { github, inputs: {} } });
  if (!jobs.ok) return { problems: jobs.problem.map(formatProblem) };
  return { ...rest, jobs: jobs.value.map(({ spec, waitsFor }) => ({ ...spec, waitsFor })) };
}
