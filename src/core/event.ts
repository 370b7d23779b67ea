/** The part of a webhook's payload that expressions see as `github.event`. All of its texts come from outside. */
import type { Value } from './expression/expression.ts';

interface Shape {
  readonly [key: string]: true | Shape | readonly [Shape];
}

const person: Shape = { login: true, id: true, type: true };
const signature: Shape = { name: true, email: true, username: true };
const repository: Shape = {
  ...{ id: true, name: true, full_name: true, private: true, fork: true, default_branch: true, html_url: true },
  owner: { login: true, id: true },
};
const side: Shape = { ref: true, sha: true, label: true, repo: repository, user: person };

/** A whole payload may have megabytes; these are the fields that conditions are made of. */
const shape: Shape = {
  ...{ action: true, number: true, ref: true, base_ref: true, before: true, after: true, compare: true },
  ...{ forced: true, created: true, deleted: true },
  head_commit: { id: true, message: true, timestamp: true, url: true, author: signature, committer: signature },
  label: { name: true },
  pusher: { name: true, email: true },
  merge_group: { head_sha: true, head_ref: true, base_sha: true, base_ref: true },
  pull_request: {
    ...{ id: true, number: true, title: true, body: true, draft: true, merged: true, html_url: true },
    ...{ author_association: true, commits: true, changed_files: true },
    ...{ user: person, head: side, base: side, labels: [{ name: true }] },
  },
  repository,
  sender: person,
};

/** Fields that are absent or of another type than expected are left out. */
export function eventContext(payload: unknown): Value {
  return pick(payload, shape) ?? {};
}

/** A text of an event, or undefined. */
export function textAt(event: Value, ...path: readonly string[]): string | undefined {
  let at: Value | undefined = event;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Readonly<Record<string, Value>>)[key];
  }
  return typeof at === 'string' ? at : undefined;
}

function pick(value: unknown, wanted: Shape): Value | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const found = Object.entries(wanted).flatMap(([key, below]): [string, Value][] => {
    const item = Object.hasOwn(value, key) ? part((value as Record<string, unknown>)[key], below) : undefined;
    return item === undefined ? [] : [[key, item]];
  });
  return Object.fromEntries(found);
}

function part(value: unknown, wanted: Shape[string]): Value | undefined {
  if (wanted === true) return isScalar(value) ? value : undefined;
  if (!isList(wanted)) return pick(value, wanted);
  return Array.isArray(value) ? value.flatMap((item) => pick(item, wanted[0]) ?? []) : undefined;
}

function isScalar(value: unknown): value is null | boolean | number | string {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isList(wanted: Shape[string]): wanted is readonly [Shape] {
  return Array.isArray(wanted);
}
