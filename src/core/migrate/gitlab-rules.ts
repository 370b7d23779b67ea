/** `rules`, `only`, `except` and `when` of a job → when it runs here. */
import { and, conditionOf, matchesText, not, or, quoted, type Condition } from './gitlab-condition.ts';
import { isList, tableOf, textOfData, textsOf, type Data, type Table } from './gitlab-data.ts';

export interface Timing {
  /** `true`: always; undefined: it could not be told, so the job must stay off. */
  readonly condition: Condition | undefined;
  /** What is different, sentences for people. */
  readonly changes: readonly string[];
  /** What somebody has to look at. */
  readonly todos: readonly string[];
  readonly startIn: Data | undefined;
  readonly allowFailure: boolean;
}

/** Jobs that wait for a click in GitLab run only in runs that were started by hand. */
const BY_HAND = "github.event_name == 'workflow_dispatch'";
const MANUAL = 'GitLab waits for a click; here the job runs only in a run that was started by hand.';

export function timingOf(job: Table): Timing {
  const rules = job.get('rules');
  const timing = isList(rules) ? ofRules(rules, job.get('allow_failure') === true) : ofOnly(job);
  const when = isList(rules) ? undefined : textOfData(job.get('when'));
  if (when === 'manual')
    return {
      ...timing,
      condition: timing.condition === undefined ? undefined : and(BY_HAND, timing.condition),
      changes: [...timing.changes, MANUAL],
    };
  if (when === 'never') return { ...timing, condition: 'false' };
  const status = when === 'always' ? 'always()' : when === 'on_failure' ? 'failure()' : undefined;
  const condition =
    status === undefined || timing.condition === undefined ? timing.condition : and(status, timing.condition);
  return { ...timing, condition, startIn: when === 'delayed' ? job.get('start_in') : timing.startIn };
}

interface Rule {
  readonly when: string;
  readonly condition: Condition | undefined;
  readonly table: Table;
}

function ofRules(list: readonly Data[], isLenient: boolean): Timing {
  const rules = list.flatMap((item): readonly Rule[] => {
    const table = tableOf(item);
    if (table === undefined) return [];
    const text = textOfData(table.get('if'));
    const when = textOfData(table.get('when')) ?? 'on_success';
    return [{ when, table, condition: text === undefined ? 'true' : conditionOf(text) }];
  });
  const positive = rules.filter(({ when }) => when !== 'never');
  const statuses = new Set(
    positive.map(({ when }) => (when === 'always' || when === 'on_failure' ? when : 'on_success')),
  );
  const [status] = statuses;
  const todos = rules.flatMap(({ table }) => [
    ...(table.has('changes')
      ? ['Files that changed count for the whole pipeline (on.push.paths), not for a job; it runs whatever changed.']
      : []),
    ...(table.has('exists') ? ['Whether a file exists does not count: look for it in the script.'] : []),
    ...(table.has('variables')
      ? ['Variables of a rule were not taken over: write them into "env", with an expression.']
      : []),
    ...(table.has('needs') ? ['Needs of a rule were not taken over.'] : []),
  ]);
  if (statuses.size > 1)
    todos.push('Its rules have different "when": always, on_failure and on_success cannot be mixed.');
  const isUnknown = rules.some(({ condition }) => condition === undefined) || statuses.size > 1;
  const wrap = status === 'always' ? 'always()' : status === 'on_failure' ? 'failure()' : 'true';
  const lenient = positive.filter(({ table }) => table.get('allow_failure') === true);
  if (!isLenient && lenient.length > 0 && lenient.length < positive.length)
    todos.push('A failure is allowed by some of its rules only; here it is not.');
  return {
    condition: isUnknown ? undefined : and(wrap, folded(rules)),
    changes: positive.some(({ when }) => when === 'manual') ? [MANUAL] : [],
    todos: [...new Set(todos)],
    startIn: positive.find(({ when }) => when === 'delayed')?.table.get('start_in'),
    allowFailure: lenient.length > 0 && lenient.length === positive.length,
  };
}

/** The first rule that holds decides, and without one the job is not part of the pipeline. */
function folded(rules: readonly Rule[]): Condition {
  return rules.reduceRight<Condition>((rest, { when, condition = 'false', table }) => {
    // Without its files the rule would keep the job from running when it should.
    if (when === 'never') return table.has('changes') || table.has('exists') ? rest : and(not(condition), rest);
    return or(when === 'manual' ? and(condition, BY_HAND) : condition, rest);
  }, 'false');
}

const refs: Readonly<Record<string, Condition>> = {
  branches: "startsWith(github.ref, 'refs/heads/')",
  tags: "startsWith(github.ref, 'refs/tags/')",
  merge_requests: "github.event_name == 'pull_request'",
  external_pull_requests: "github.event_name == 'pull_request'",
  pushes: "github.event_name == 'push'",
  schedules: "github.event_name == 'schedule'",
  web: BY_HAND,
  api: BY_HAND,
};

function ofOnly(job: Table): Timing {
  const [only, except] = [job.get('only'), job.get('except')];
  const todos = [only, except].some((one) => tableOf(one)?.has('changes') === true)
    ? ['Files that changed count for the whole pipeline (on.push.paths), not for a job; it runs whatever changed.']
    : [];
  const wanted = only === undefined ? 'true' : anyOf(only, 'true');
  const unwanted = except === undefined ? 'false' : anyOf(except, 'false');
  return {
    condition: wanted === undefined || unwanted === undefined ? undefined : and(wanted, not(unwanted)),
    ...{ changes: [], todos, startIn: undefined, allowFailure: false },
  };
}

function anyOf(value: Data, none: Condition): Condition | undefined {
  const table = tableOf(value);
  if (table?.has('kubernetes') === true) return undefined;
  const names = textsOf(table === undefined ? value : table.get('refs'));
  const variables = textsOf(table?.get('variables'));
  const byRef = names.length === 0 ? undefined : joined(names.map(refOf));
  const byVariable = variables.length === 0 ? undefined : joined(variables.map(conditionOf));
  if ((names.length > 0 && byRef === undefined) || (variables.length > 0 && byVariable === undefined)) return undefined;
  if (byRef !== undefined && byVariable !== undefined) return and(byRef, byVariable);
  return byRef ?? byVariable ?? none;
}

function joined(conditions: readonly (Condition | undefined)[]): Condition | undefined {
  return conditions.reduce((all, one) => (all === undefined || one === undefined ? undefined : or(all, one)), 'false');
}

function refOf(name: string): Condition | undefined {
  if (Object.hasOwn(refs, name)) return refs[name];
  const [, pattern] = /^\/(.*)\/[a-z]*$/.exec(name) ?? [];
  if (pattern !== undefined) return matchesText({ subject: 'github.ref_name', prefix: '' }, pattern);
  return /^[\w./-]+$/.test(name) && name !== 'triggers' && name !== 'pipelines'
    ? `github.ref_name == ${quoted(name)}`
    : undefined;
}
