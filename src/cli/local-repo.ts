/** A folder of this machine as a repository. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { RepoRef } from '../core/run.ts';

export interface LocalRepo {
  readonly repo: RepoRef;
  /** Hexadecimal, one per folder; names what is kept for it. */
  readonly place: string;
}

/** The same for the same path. The id is of the path too: the engine has the volumes of all folders of this machine. */
export function localRepo(folder: string): LocalRepo {
  const place = createHash('sha256').update(folder).digest('hex');
  const id = Number.parseInt(place.slice(0, 13), 16);
  return { place: place.slice(0, 16), repo: { id, owner: 'local', name: safeName(basename(folder)) } };
}

/** GitHub's own rule for names, so that the name is fit for paths. */
function safeName(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[.-]+/, '') || 'tree';
}
