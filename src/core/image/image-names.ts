/** What keeps the images and build caches of one repository and trust class apart from all others. */
import type { Run } from '../run.ts';
import { rightsOf } from '../trust.ts';
import { parseReference } from './reference.ts';

/** Names of images that jobs of this repository and trust class have built begin with it; no other may start from them. */
export function ownImages({ repo, trust }: Pick<Run, 'repo' | 'trust'>): string {
  return `hearth/image:${repo.id}-${trust}-`;
}

/** Cache mounts of builds are shared within it: by repository and trust class, and of a fork's within its run alone. */
export function cacheNamespaceOf({ id, repo, trust }: Pick<Run, 'id' | 'repo' | 'trust'>): string {
  const own = rightsOf(trust).sharesVolumes ? '' : `-run-${id}`;
  return `hearth-${repo.id}-${trust}${own}`;
}

/** Whether every repository may name it: not an id or the beginning of one, and nothing that Hearth built, however it is written. */
export function isForAll(image: string): boolean {
  const found = parseReference(image);
  if (found === undefined || /^(?:sha256:)?[0-9a-f]+$/.test(image)) return false;
  return found.registry !== 'docker.io' || !found.repository.startsWith('hearth/');
}
