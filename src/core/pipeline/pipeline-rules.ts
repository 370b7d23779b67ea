/**
 * Rules that tie values of a pipeline file together. They read the tree and not the checked data, and pass over whatever
 * has the wrong shape, so that one wrong type does not hide the rest of a file's problems.
 */
import { inputTypes, valueFault } from '../dispatch.ts';
import { secretsUsed } from '../expression/expression-syntax.ts';
import { checkGraph, type GraphJob } from '../plan/graph.ts';
import { sameName } from './pipeline-names.ts';
import { checkImages } from './image-rules.ts';
import { checkLanes } from './lane-rules.ts';
import { keyPosition, labelOf, nodeAt } from './pipeline-issues.ts';
import { normalPath } from './pipeline-paths.ts';
import { checkPublishing } from './publish-rules.ts';
import { nearestWord, type Position, type Problem, type ProblemCode } from '../problem.ts';
import { shown } from '../shown.ts';
import { checkStepIds } from './step-rules.ts';
import { writtenIn, type YamlNode } from './yaml-tree.ts';

type Report = (code: ProblemCode, message: string, position: Position) => void;

export function problemsOfRules(root: YamlNode, file: string): readonly Problem[] {
  const problems: Problem[] = [];
  const report: Report = (code, message, position) => problems.push({ code, message, file, position });
  checkSidecar(root, report);
  checkTriggers(root, report);
  checkInputs(root, report);
  checkCaches(root, report);
  checkJobs(root, report);
  checkOrder(root, report);
  checkImages(root, report);
  checkLanes(root, report);
  checkPublishing(root, report);
  checkStepIds(root, report);
  return problems;
}

function checkSidecar(root: YamlNode, report: Report): void {
  const sidecar = mappingAt(root, ['sidecar']);
  if (!sidecar) return;
  const both = sidecar.entries.get('image') && sidecar.entries.get('build');
  if (both) report('bad-value', 'sidecar has both image and build. Keep one of them.', both.keyPosition);
}

function checkTriggers(root: YamlNode, report: Report): void {
  for (const [event, { node }] of mappingAt(root, ['on'])?.entries ?? []) {
    for (const key of ['branches', 'tags', 'paths']) {
      const path = ['on', event, key];
      const patterns = textsAt(root, path);
      if (patterns.length > 0 && patterns.every((pattern) => pattern.text.startsWith('!'))) {
        report(
          'bad-value',
          `${labelOf(path)} only excludes, so nothing matches. Put a pattern such as "**" first, or use ${key}-ignore.`,
          patterns[0]?.position ?? root.position,
        );
      }
      const ignore = node.entries.get(`${key}-ignore`);
      if (ignore !== undefined && node.entries.has(key)) {
        const message = `${labelOf(['on', event])} has both ${key} and ${key}-ignore. Keep one; ${key} may exclude with "!".`;
        report('bad-value', message, ignore.keyPosition);
      }
    }
  }
}

/** A default that does not fit would fail every run that nobody gives a value. */
function checkInputs(root: YamlNode, report: Report): void {
  for (const [name, { node, keyPosition: position }] of mappingAt(root, ['on', 'workflow_dispatch', 'inputs'])
    ?.entries ?? []) {
    const path = ['on', 'workflow_dispatch', 'inputs', name];
    const type = inputTypes.find((one) => one === (node.entries.get('type')?.node.value ?? 'string'));
    const options = node.entries.get('options');
    if (type === 'choice' && options === undefined)
      report('missing-key', `${labelOf(path)} is a choice and must have options. List its values.`, position);
    if (type !== undefined && type !== 'choice' && options !== undefined)
      report(
        'bad-value',
        `${labelOf(path)} has options, which only a choice has. Add "type: choice".`,
        options.keyPosition,
      );
    const value = node.entries.get('default')?.node;
    const texts = textsAt(root, [...path, 'options']).map(({ text }) => text);
    if (value === undefined || value.value === null || type === undefined || (type === 'choice' && texts.length === 0))
      continue;
    const fault = valueFault({ type, options: texts }, writtenIn(value));
    if (fault !== undefined) report('bad-value', `${labelOf([...path, 'default'])} ${fault}.`, value.position);
  }
}

const LAYER_KEYS = ['key', 'paths', 'install'];

function checkCaches(root: YamlNode, report: Report): void {
  for (const [name, { keyPosition: position, node }] of mappingAt(root, ['cache'])?.entries ?? []) {
    if (!isMapping(node)) continue;
    const layerKeys = LAYER_KEYS.filter((key) => node.entries.has(key));
    const label = labelOf(['cache', name]);
    if (node.entries.has('volume')) {
      const extra = node.entries.get(layerKeys[0] ?? '');
      if (extra)
        report(
          'bad-value',
          `${label} has both volume and ${layerKeys[0]}, and is one or the other. Remove one of the two, or make two caches.`,
          extra.keyPosition,
        );
    } else if (layerKeys.length < LAYER_KEYS.length) {
      const missing = LAYER_KEYS.filter((key) => !layerKeys.includes(key)).join(', ');
      report(
        'missing-key',
        `${label} must have key, paths and install (a layer), or volume. Missing: ${missing}.`,
        position,
      );
    }
  }
}

export const MAX_JOBS = 1000;

function checkJobs(root: YamlNode, report: Report): void {
  const jobs = mappingAt(root, ['jobs']);
  if (jobs?.entries.size === 0)
    report('empty-pipeline', 'The pipeline has no job. Add one below "jobs:".', keyPosition(root, ['jobs']));
  const excess = [...(jobs?.entries ?? [])][MAX_JOBS]?.[1];
  if (excess)
    report(
      'bad-value',
      `The pipeline has more than ${MAX_JOBS} jobs. Split it into several pipelines.`,
      excess.keyPosition,
    );
  const seen = new Map<string, string>();
  for (const [name, { keyPosition: position, node }] of jobs?.entries ?? []) {
    const other = seen.get(sameName(name));
    if (other !== undefined) {
      report(
        'bad-value',
        `The jobs ${shown(other)} and ${shown(name)} differ only in case, and GitHub would show one status for both. Rename one.`,
        position,
      );
    }
    seen.set(sameName(name), name);
    if (!isMapping(node)) continue;
    const steps = node.entries.get('steps');
    if (steps && node.entries.has('run'))
      report('bad-value', `${labelOf(['jobs', name])} has both run and steps. Keep one of them.`, steps.keyPosition);
    if (!['run', 'steps', 'image', 'lane'].some((key) => node.entries.has(key)))
      report(
        'missing-key',
        `${labelOf(['jobs', name])} must have run, steps, image or lane. Add one of them.`,
        position,
      );
    checkUsedCaches(root, name, report);
    checkSecretVariables(root, name, report);
    checkInputFiles(root, name, report);
  }
}

function checkUsedCaches(root: YamlNode, job: string, report: Report): void {
  const caches = mappingAt(root, ['cache'])?.entries ?? new Map<string, { node: YamlNode }>();
  const places = new Map<string, string>();
  for (const { text, position } of textsAt(root, ['jobs', job, 'cache'])) {
    if (!caches.has(text)) {
      const near = nearestWord(text, [...caches.keys()]);
      const next = near === undefined ? 'Define it below "cache:" or remove it.' : `Did you mean "${near}"?`;
      report(
        'unknown-cache',
        `${labelOf(['jobs', job])} uses the cache ${shown(text)}, which the file does not define. ${next}`,
        position,
      );
    }
    for (const place of [...textsAt(root, ['cache', text, 'paths']), ...textsAt(root, ['cache', text, 'volume'])]) {
      const normal = `${place.text.startsWith('/') ? '/' : ''}${normalPath(place.text)}`;
      const other = places.get(normal);
      if (other !== undefined && other !== text) {
        report(
          'bad-value',
          `${labelOf(['jobs', job])} uses the caches ${shown(other)} and ${shown(text)}, and both fill ${shown(normal)}. Give them different paths.`,
          position,
        );
      }
      places.set(normal, text);
    }
  }
}

/** Two texts for one variable: whichever won, somebody would look for the other. */
function checkSecretVariables(root: YamlNode, job: string, report: Report): void {
  const path = ['jobs', job, 'secrets'];
  const taken = new Map<string, string>(
    [...(mappingAt(root, ['jobs', job, 'env'])?.entries.keys() ?? [])].map((name) => [name, 'env']),
  );
  for (const item of nodeAt(root, path)?.items ?? []) {
    const variable = item.entries.get('variable')?.node ?? item.entries.get('name')?.node ?? item;
    if (typeof variable.value !== 'string') continue;
    const other = taken.get(variable.value);
    if (other !== undefined) {
      const message = `${labelOf(path)} and ${other} of the job both set the variable ${shown(variable.value)}. Give one another name ("variable:").`;
      report('bad-value', message, variable.position);
    }
    taken.set(variable.value, 'another secret');
  }
}

/** What a job does with a secret happens somewhere else, and no key can tell whether it has to happen again. */
function checkInputFiles(root: YamlNode, job: string, report: Report): void {
  const path = ['jobs', job, 'inputs'];
  const given = mappingAt(root, ['jobs', job])?.entries.get('inputs');
  if (given === undefined || nodeAt(root, ['jobs', job, 'lane']) !== undefined) return;
  const label = labelOf(path);
  const patterns = textsAt(root, path);
  if (patterns.length > 0 && patterns.every(({ text }) => text.startsWith('!')))
    report(
      'bad-value',
      `${label} only excludes, so nothing matches. Put a pattern such as "**" first.`,
      given.node.position,
    );
  const secret =
    nodeAt(root, ['jobs', job, 'secrets']) ??
    secretUser(nodeAt(root, ['env'])) ??
    secretUser(nodeAt(root, ['jobs', job]));
  if (secret !== undefined)
    report(
      'bad-value',
      `${label}: a job with secrets acts on something else than files, so its result cannot be reused. Remove inputs, or give the secrets to a job of its own.`,
      given.keyPosition,
    );
}

function secretUser(node: YamlNode | undefined): YamlNode | undefined {
  if (node === undefined) return undefined;
  if (typeof node.value === 'string') return secretsUsed(node.value).size > 0 ? node : undefined;
  const below = [...node.items, ...[...node.entries.values()].map(({ node: one }) => one)];
  return below.find((one) => secretUser(one) !== undefined);
}

function checkOrder(root: YamlNode, report: Report): void {
  const phases = textsAt(root, ['phases']);
  for (const [index, phase] of phases.entries()) {
    if (phases.findIndex((other) => other.text === phase.text) < index) {
      report('bad-value', `phases lists ${shown(phase.text)} twice. Remove one of them.`, phase.position);
    }
  }
  const jobs = [...(mappingAt(root, ['jobs'])?.entries ?? [])].map(([name, { node }]) => graphJob(name, node));
  for (const trouble of checkGraph(
    jobs,
    phases.map((phase) => phase.text),
  )) {
    const path = ['jobs', trouble.job];
    const job = nodeAt(root, path);
    const needs = job === undefined ? [] : needsOf(job);
    const place =
      trouble.need === undefined ? nodeAt(root, [...path, 'phase']) : needs.find((need) => need.text === trouble.need);
    report(trouble.code, trouble.message, place?.position ?? keyPosition(root, path));
  }
}

function graphJob(name: string, node: YamlNode): GraphJob {
  const phase = node.entries.get('phase')?.node.value;
  return {
    name,
    needs: node.entries.has('needs') ? needsOf(node).map((need) => need.text) : undefined,
    optionalNeeds: needsOf(node).flatMap((need) => (need.isOptional ? [need.text] : [])),
    phase: typeof phase === 'string' ? phase : undefined,
  };
}

/** `a`, `[a, b]` or `[{job: a, optional: true}]`. */
function needsOf(job: YamlNode) {
  const node = job.entries.get('needs')?.node;
  const entries = node === undefined ? [] : Array.isArray(node.value) ? node.items : [node];
  return entries.flatMap((entry) => {
    const name = isMapping(entry) ? entry.entries.get('job')?.node : entry;
    const isOptional = entry.entries.get('optional')?.node.value === true;
    return typeof name?.value === 'string' ? [{ text: name.value, position: name.position, isOptional }] : [];
  });
}

function mappingAt(root: YamlNode, path: readonly string[]): YamlNode | undefined {
  const node = nodeAt(root, path);
  return node && isMapping(node) ? node : undefined;
}

function isMapping(node: YamlNode): boolean {
  return typeof node.value === 'object' && node.value !== null && !Array.isArray(node.value);
}

/** The texts of a list, or the one text that stands instead of a list. */
function textsAt(
  root: YamlNode,
  path: readonly string[],
): readonly { readonly text: string; readonly position: Position }[] {
  const node = nodeAt(root, path);
  if (!node) return [];
  return (Array.isArray(node.value) ? node.items : [node]).flatMap((item) =>
    typeof item.value === 'string' ? [{ text: item.value, position: item.position }] : [],
  );
}
