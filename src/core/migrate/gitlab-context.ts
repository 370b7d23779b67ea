/** What the jobs of a .gitlab-ci.yml share while they are written, and how a job is written key by key. */
import type { Pair, Scalar, YAMLMap } from 'yaml';
import type { Cache } from './caches.ts';
import type { Draft } from './draft.ts';
import type { GitLabJob } from './gitlab-data.ts';
import type { NoteKind } from './note.ts';

export interface Names {
  /** Ours for a name of GitLab's, also for one that is not in the file. */
  readonly jobOf: (name: string) => string;
  readonly phaseOf: (name: string) => string;
  /** In order; empty when all jobs are of one stage that nobody listed. */
  readonly phases: readonly string[];
}

/** What all jobs share while they are written. */
export interface GitLabContext {
  readonly draft: Draft;
  readonly names: Names;
  /** The image of the file; a job with another one says so itself. */
  readonly image: string | undefined;
  /** Predefined variables that some script reads. */
  readonly predefined: Set<string>;
  /** Conditions of jobs: they tell which events the file is for. */
  readonly events: Set<string>;
  readonly isVariable: (name: string) => boolean;
  readonly topValue: (name: string) => string | undefined;
  readonly useCache: (name: string, cache: Cache) => string;
}

/** A job while it is written, in the order of our file. */
export interface Writer extends GitLabContext {
  readonly job: GitLabJob;
  /** Its name in our file. */
  readonly key: string;
  readonly map: YAMLMap;
  /** Keys of the original that stand in a comment already. */
  readonly shown: Set<string>;
}

/** Writes a key, with the comment that stood before the original's key `from`. */
export function put({ draft, map, job }: Writer, key: string, value: unknown, from = key): void {
  const pair = draft.document.createPair(key, value) as Pair<Scalar>;
  const comment = job.comments.get(from);
  if (comment !== undefined) pair.key.commentBefore = comment;
  map.items.push(pair);
}

export function place({ job, key }: Writer, from: string): { readonly line: number | null; readonly key: string } {
  return { line: job.lineOf(from), key: `${key}.${from}` };
}

/** The key as the original has it, or nothing when it does not. */
export function originalOf({ job }: Writer, from: string): string {
  return job.values.has(from) ? job.written(from) : '';
}

/** A remark at the place that the file has reached. */
export function say(writer: Writer, from: string, kind: NoteKind, text: string): void {
  const original = writer.shown.has(from) ? '' : originalOf(writer, from);
  writer.shown.add(from);
  writer.draft.before(writer.map, '', { ...place(writer, from), kind, text, original });
}
