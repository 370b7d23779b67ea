/** Conditions of GitLab (`$CI_COMMIT_BRANCH == "main"`) → conditions of ours. */

/** `true` and `false` stand for themselves. */
export type Condition = string;

/** The words of a condition are few; a longer text is not one that anybody reads. */
const MAX_LENGTH = 2_000;

/** Undefined when a part of it has no counterpart. */
export function conditionOf(text: string): Condition | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined) return undefined;
  const reader = { tokens, at: 0 };
  const condition = readOr(reader);
  return reader.at === tokens.length ? condition : undefined;
}

export function and(a: Condition, b: Condition): Condition {
  if (a === 'false' || b === 'false') return 'false';
  if (a === 'true') return b;
  return b === 'true' ? a : `${grouped(a, '||')} && ${grouped(b, '||')}`;
}

export function or(a: Condition, b: Condition): Condition {
  if (a === 'true' || b === 'true') return 'true';
  if (a === 'false' || a === b) return b;
  return b === 'false' ? a : `${grouped(a, '&&')} || ${grouped(b, '&&')}`;
}

export function not(a: Condition): Condition {
  if (a === 'true') return 'false';
  if (a === 'false') return 'true';
  const simple = /^([\w.]+|[\w.]+\([^()]*\)) (==|!=) ('[^']*'|[\w.]+|[\w.]+\([^()]*\))$/.exec(a);
  if (simple) return `${simple[1]} ${simple[2] === '==' ? '!=' : '=='} ${simple[3]}`;
  if (/^!\w+\([^()]*\)$/.test(a)) return a.slice(1);
  return /^\w+\([^()]*\)$/.test(a) ? `!${a}` : `!(${a})`;
}

function grouped(condition: Condition, operator: '&&' | '||'): string {
  return condition.includes(` ${operator} `) && !/^\([^()]*\)$/.test(condition) ? `(${condition})` : condition;
}

/** A text of GitHub's expressions. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function tokensOf(text: string): readonly string[] | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const pattern = /\s*(\$\{\w+\}|\$\w+|"[^"]*"|'[^']*'|\/(?:\\.|[^/\\])*\/[a-z]*|==|!=|=~|!~|&&|\|\||[()]|null\b)\s*/y;
  const tokens: string[] = [];
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (found?.[1] === undefined) return undefined;
    tokens.push(found[1]);
  }
  return tokens;
}

interface Reader {
  readonly tokens: readonly string[];
  at: number;
}

function readOr(reader: Reader): Condition | undefined {
  let left = readAnd(reader);
  while (left !== undefined && reader.tokens[reader.at] === '||') {
    reader.at += 1;
    const right = readAnd(reader);
    left = right === undefined ? undefined : or(left, right);
  }
  return left;
}

function readAnd(reader: Reader): Condition | undefined {
  let left = readComparison(reader);
  while (left !== undefined && reader.tokens[reader.at] === '&&') {
    reader.at += 1;
    const right = readComparison(reader);
    left = right === undefined ? undefined : and(left, right);
  }
  return left;
}

function readComparison(reader: Reader): Condition | undefined {
  const first = reader.tokens[reader.at++];
  if (first === '(') {
    const inside = readOr(reader);
    return reader.tokens[reader.at++] === ')' ? inside : undefined;
  }
  const name = variableOf(first);
  if (name === undefined) return undefined;
  const operator = reader.tokens[reader.at] ?? '';
  if (!['==', '!=', '=~', '!~'].includes(operator)) return presence(name);
  reader.at += 1;
  const other = reader.tokens[reader.at++] ?? '';
  const isNegated = operator.startsWith('!');
  const positive = operator.endsWith('~') ? matches(name, other) : equals(name, other);
  return positive === undefined || !isNegated ? positive : not(positive);
}

function variableOf(token: string | undefined): string | undefined {
  return /^\$\{?(\w+)\}?$/.exec(token ?? '')?.[1];
}

/** `$CI_COMMIT_TAG` alone: it has a value. */
function presence(name: string): Condition | undefined {
  if (name === 'CI_COMMIT_TAG') return "startsWith(github.ref, 'refs/tags/')";
  if (name === 'CI_COMMIT_BRANCH') return "startsWith(github.ref, 'refs/heads/')";
  return name.startsWith('CI_MERGE_REQUEST_') ? "github.event_name == 'pull_request'" : undefined;
}

const sources: Readonly<Record<string, string>> = {
  push: 'push',
  merge_request_event: 'pull_request',
  external_pull_request_event: 'pull_request',
  schedule: 'schedule',
  web: 'workflow_dispatch',
  api: 'workflow_dispatch',
};

function equals(name: string, other: string): Condition | undefined {
  if (other === 'null' || other === '""' || other === "''") {
    const found = presence(name);
    return found === undefined ? undefined : not(found);
  }
  const text = /^["'](.*)["']$/s.exec(other)?.[1];
  if (name === 'CI_PIPELINE_SOURCE') {
    const event = text === undefined || !Object.hasOwn(sources, text) ? undefined : sources[text];
    return event === undefined ? undefined : `github.event_name == ${quoted(event)}`;
  }
  const isDefault = variableOf(other) === 'CI_DEFAULT_BRANCH';
  if (isDefault && (name === 'CI_COMMIT_BRANCH' || name === 'CI_COMMIT_REF_NAME'))
    return "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)";
  const place = placeOf(name);
  if (place === undefined || (text === undefined && !isDefault)) return undefined;
  if (isDefault) return place.prefix === '' ? `${place.subject} == github.event.repository.default_branch` : undefined;
  return `${place.subject} == ${quoted(`${place.prefix}${text ?? ''}`)}`;
}

function matches(name: string, pattern: string): Condition | undefined {
  const place = placeOf(name);
  const [, body] = /^\/(.*)\/[a-z]*$/s.exec(pattern) ?? [];
  return place === undefined || body === undefined ? undefined : matchesText(place, body);
}

export interface Place {
  readonly subject: string;
  /** What stands before the name in the subject's value. */
  readonly prefix: string;
}

function placeOf(name: string): Place | undefined {
  if (name === 'CI_COMMIT_BRANCH') return { subject: 'github.ref', prefix: 'refs/heads/' };
  if (name === 'CI_COMMIT_TAG') return { subject: 'github.ref', prefix: 'refs/tags/' };
  if (name === 'CI_COMMIT_REF_NAME') return { subject: 'github.ref_name', prefix: '' };
  if (name === 'CI_MERGE_REQUEST_TARGET_BRANCH_NAME') return { subject: 'github.base_ref', prefix: '' };
  if (name === 'CI_MERGE_REQUEST_SOURCE_BRANCH_NAME') return { subject: 'github.head_ref', prefix: '' };
  if (name === 'CI_PROJECT_PATH') return { subject: 'github.repository', prefix: '' };
  return name === 'GITLAB_USER_LOGIN' ? { subject: 'github.actor', prefix: '' } : undefined;
}

/** Regular expressions that are a text with an end or two; expressions have no others. */
export function matchesText({ subject, prefix }: Place, pattern: string): Condition | undefined {
  const isStart = pattern.startsWith('^') && !pattern.startsWith('^.*');
  const isEnd = pattern.endsWith('$') && !pattern.endsWith('\\$') && !pattern.endsWith('.*$');
  const middle = pattern.replace(/^\^?(?:\.\*)?/, '').replace(/(?:\.\*)?\$?$/, '');
  const text = middle.replace(/\\([/.\-_])/g, '$1');
  if (/[\\^$.|?*+()[\]{}]/.test(middle.replace(/\\[/.\-_]/g, ''))) return undefined;
  if (isStart && isEnd) return `${subject} == ${quoted(prefix + text)}`;
  if (isStart) return `startsWith(${subject}, ${quoted(prefix + text)})`;
  const found = text === '' ? 'true' : `${isEnd ? 'endsWith' : 'contains'}(${subject}, ${quoted(text)})`;
  return prefix === '' ? found : and(`startsWith(${subject}, ${quoted(prefix)})`, found);
}
