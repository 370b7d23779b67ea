/** What the jobs of a workflow need of the file as a whole: images and caches. */
import { isMap, isScalar, type YAMLMap } from 'yaml';
import { type Draft, keyOf } from './draft.ts';
import { cachesNode, createCaches, type Cache } from './caches.ts';
import { isClosed, mapAt } from './parts.ts';

interface Wish {
  readonly job: YAMLMap;
  /** May hold expressions. */
  readonly image: string;
}

export interface Needs {
  /** A job wants to run in this image. Only the first wish of a job counts; the answer is the image it has. */
  readonly wantImage: (wish: Wish) => string;
  /** The image that a job wanted first. */
  readonly imageOf: (job: YAMLMap) => string | undefined;
  /** A job uses such a cache; the name it has in the file. */
  readonly useCache: (job: YAMLMap, name: string, cache: Cache) => string;
  /** Writes what all jobs together came to. */
  readonly write: (file: { readonly draft: Draft; readonly root: YAMLMap }) => void;
}

/** What GitHub's ubuntu machines have in common with it: git, curl, a C compiler and the usual tools. */
const GENERAL_IMAGE = 'buildpack-deps:bookworm';

export function createNeeds(): Needs {
  const wishes: Wish[] = [];
  const caches = createCaches();
  const users = new Map<YAMLMap, string[]>();
  const imageOf: Needs['imageOf'] = (wanted) => wishes.find(({ job }) => job === wanted)?.image;
  return {
    imageOf,
    wantImage(wish) {
      const first = imageOf(wish.job);
      if (first === undefined) wishes.push(wish);
      return first ?? wish.image;
    },
    useCache(job, wanted, cache) {
      const name = caches.nameFor(wanted, cache);
      users.set(job, [...new Set([...(users.get(job) ?? []), name])]);
      return name;
    },
    write({ draft, root }) {
      for (const [job, names] of users) insert(draft, job, 'steps', 'cache', names.length === 1 ? names[0] : names);
      if (caches.all.size > 0 && !root.has('cache')) insert(draft, root, 'jobs', 'cache', cachesNode(caches.all));
      if (!root.has('sidecar')) writeImages(draft, root, wishes);
    },
  };
}

/** The image that most jobs want is the file's; every other job names its own. The file's image takes no expression. */
function writeImages(draft: Draft, root: YAMLMap, wishes: readonly Wish[]): void {
  const counts = new Map<string, number>();
  for (const { image } of wishes) if (!image.includes('${{')) counts.set(image, (counts.get(image) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  const image = most?.[0] ?? GENERAL_IMAGE;
  for (const wish of wishes) if (wish.image !== image) insert(draft, wish.job, 'steps', 'container', wish.image);
  const jobs = (mapAt(root, 'jobs')?.items ?? []).flatMap(({ value }) => (isMap(value) ? [value] : []));
  const isUsed = jobs.length === 0 || jobs.some((job) => !job.has('container') && !isClosed(job));
  if (!isUsed) return;
  insert(draft, root, root.has('cache') ? 'cache' : 'jobs', 'sidecar', { image });
  if (most !== undefined) return;
  draft.before(root, 'sidecar', {
    ...{ line: null, key: 'sidecar', kind: 'changed' },
    text: 'The image of jobs without a "container". This one has git, curl and a C compiler; name one that has what your jobs call.',
  });
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
