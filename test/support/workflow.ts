/** A workflow of GitHub, read and checked by GitHub's own parser, and its expressions by its own evaluator. */
import type * as Parser from '@actions/workflow-parser';
import type { WorkflowTemplate } from '@actions/workflow-parser';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { evaluateTemplate, type Value, type Values } from '../../src/core/expression/expression.ts';
import { root } from './repository.ts';

const {
  convertWorkflowTemplate,
  isBasicExpression,
  isMapping,
  isScalar,
  isSequence,
  NoOperationTraceWriter,
  parseWorkflow,
} = await loadParser();

export interface CheckedWorkflow {
  /** What GitHub would refuse it for; empty = it would run. */
  readonly errors: readonly string[];
  readonly template: WorkflowTemplate | undefined;
}

export async function checkWorkflow(content: string): Promise<CheckedWorkflow> {
  const parsed = parseWorkflow({ name: 'workflow.yml', content }, new NoOperationTraceWriter());
  const errors = () => parsed.context.errors.getErrors().map(({ message }) => message);
  if (parsed.value === undefined || errors().length > 0) return { errors: errors(), template: undefined };
  const template = await convertWorkflowTemplate(parsed.context, parsed.value);
  return { errors: [...errors(), ...(template.errors ?? []).map(({ Message: message }) => message)], template };
}

type Token = NonNullable<WorkflowTemplate['concurrency']>;

/** What a part of a workflow comes to with these values, as GitHub would make of it before a job starts. */
export function valueOf(token: Token, values: Values): Value {
  if (isBasicExpression(token)) return evaluateTemplate(`\${{ ${token.expression} }}`, values);
  if (isSequence(token)) return [...token].map((each) => valueOf(each, values));
  if (isMapping(token))
    return Object.fromEntries([...token].map(({ key, value }) => [key.toString(), valueOf(value, values)]));
  if (!isScalar(token)) throw new Error(`${token.typeName()} has no value`);
  const plain: unknown = token.toJSON();
  return typeof plain === 'number' || typeof plain === 'boolean' ? plain : token.toString();
}

/** It imports JSON without saying so, which Node refuses and bundlers do not. */
async function loadParser(): Promise<typeof Parser> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-workflow-parser-'));
  try {
    const outfile = join(folder, 'parser.mjs');
    const stdin = { contents: "export * from '@actions/workflow-parser';", resolveDir: root };
    await build({ stdin, outfile, bundle: true, format: 'esm', platform: 'browser', logLevel: 'error' });
    return (await import(pathToFileURL(outfile).href)) as typeof Parser;
  } finally {
    await rm(folder, { recursive: true });
  }
}
