/** What a job's `needs` say, read from the tree of the file before that is checked. */
import type { YamlNode } from './yaml-tree.ts';

export interface NeedInFile {
  readonly name: string;
  readonly isRefused: boolean;
  /** Names of artifacts; undefined = it waits for the end of that job. */
  readonly awaited: readonly string[] | undefined;
}

/** Passes over whatever has the wrong shape. */
export function needsIn(job: YamlNode): readonly NeedInFile[] {
  const node = job.entries.get('needs')?.node;
  const items = node === undefined ? [] : Array.isArray(node.value) ? node.items : [node];
  return items.flatMap((item) => {
    const name = (item.entries.get('job')?.node ?? item).value;
    if (typeof name !== 'string') return [];
    const artifact = item.entries.get('artifact')?.node;
    const isRefused = item.entries.get('artifacts')?.node.value === false;
    return [{ name, isRefused, awaited: artifact === undefined ? undefined : textsOf(artifact) }];
  });
}

/** The texts of a list, or the one text that stands instead of a list. */
export function textsOf(node: YamlNode): readonly string[] {
  return (Array.isArray(node.value) ? node.items : [node]).flatMap(({ value }) =>
    typeof value === 'string' ? [value] : [],
  );
}
