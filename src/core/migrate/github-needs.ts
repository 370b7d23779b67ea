/** What the jobs of a workflow need of the file as a whole: the image that all of them share, and caches. */
import { isScalar, type YAMLMap } from 'yaml';
import { keysOf } from '../pipeline-schema.ts';
import { type Draft, keyOf } from './draft.ts';
import { cachesNode, createCaches, type Cache } from './caches.ts';
import { mapAt, switchOff } from './parts.ts';

interface Wish {
  readonly job: YAMLMap;
  readonly name: string;
  readonly image: string;
  readonly line: number | null;
}

export interface Needs {
  /** A job wants to run in this image. Only the first wish of a job counts; the answer is the image it has. */
  readonly wantImage: (wish: Wish) => string;
  /** A job uses such a cache; the name it has in the file. */
  readonly useCache: (job: YAMLMap, name: string, cache: Cache) => string;
  /** The image that most jobs want so far. */
  readonly write: (file: { readonly draft: Draft; readonly root: YAMLMap }) => void;
}

/** What GitHub's ubuntu machines have in common with it: git, curl, a C compiler and the usual tools. */
const GENERAL_IMAGE = 'buildpack-deps:bookworm';

/** Whether a job can name an image of its own; then the reader takes it. */
export const jobsHaveImages = (keysOf.job.known as readonly string[]).includes('container');

export function createNeeds(): Needs {
  const wishes: Wish[] = [];
  const caches = createCaches();
  const users = new Map<YAMLMap, string[]>();
  return {
    wantImage(wish) {
      const first = wishes.find(({ job }) => job === wish.job);
      if (first === undefined) wishes.push(wish);
      return first?.image ?? wish.image;
    },
    useCache(job, wanted, cache) {
      const name = caches.nameFor(wanted, cache);
      users.set(job, [...new Set([...(users.get(job) ?? []), name])]);
      return name;
    },
    write({ draft, root }) {
      for (const [job, names] of users) insert(draft, job, 'steps', 'cache', names.length === 1 ? names[0] : names);
      if (caches.all.size > 0 && !root.has('cache')) insert(draft, root, 'jobs', 'cache', cachesNode(caches.all));
      if (!root.has('sidecar')) writeImage(draft, root, wishes);
    },
  };
}

function writeImage(draft: Draft, root: YAMLMap, wishes: readonly Wish[]): void {
  const counts = new Map<string, number>();
  for (const { image } of wishes) counts.set(image, (counts.get(image) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  const image = most?.[0] ?? GENERAL_IMAGE;
  insert(draft, root, root.has('cache') ? 'cache' : 'jobs', 'sidecar', { image });
  if (most === undefined)
    draft.before(root, 'sidecar', {
      line: null,
      key: 'sidecar',
      kind: 'changed',
      text: 'The image that all jobs start from. This one has git, curl and a C compiler; name one that has what your jobs call.',
    });
  for (const wish of wishes.filter((one) => one.image !== image)) {
    if (jobsHaveImages && !wish.job.has('container')) insert(draft, wish.job, 'steps', 'container', wish.image);
    else if (!jobsHaveImages) {
      const place = { line: wish.line, key: `jobs.${wish.name}` };
      const text = `This job wants ${wish.image}, and all jobs of a file share one image, so it is off. Move it to a file of its own, or build an image with both ("sidecar: build").`;
      draft.before(wish.job, 'steps', { ...place, kind: 'todo', text });
      switchOff(draft, wish.job, place);
    }
  }
}

function insert(draft: Draft, map: YAMLMap, before: string, key: string, value: unknown): void {
  map.flow = false;
  const at = map.items.findIndex((pair) => keyOf(pair) === before);
  const pair = draft.document.createPair(key, value);
  const next = map.items[at]?.key;
  if (map === draft.top && isScalar(next) && isScalar(pair.key) && next.spaceBefore === true)
    pair.key.spaceBefore = true;
  map.items.splice(at === -1 ? map.items.length : at, 0, pair);
}

/** Whether a job or the whole file names an image already. */
export function hasImage(root: YAMLMap, job: YAMLMap): boolean {
  return job.has('container') || mapAt(root, 'sidecar') !== undefined;
}
