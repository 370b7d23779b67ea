/** Merges two commits in the mirror, without a work tree. */
import { failed, success, type Result } from '../core/result.ts';
import type { GitAnswer, GitCall } from './git.ts';
import { isSha } from './mirror.ts';
import { wordsOf } from './trouble.ts';

export interface MergeParts {
  readonly run: (call: Pick<GitCall, 'args' | 'input'>) => Promise<GitAnswer>;
  readonly base: string;
  readonly head: string;
}

/** Rejects when git cannot do it at all, such as when a commit is not there. */
export async function mergeCommits({ run, base, head }: MergeParts): Promise<Result<string, readonly string[]>> {
  if (!isSha(base) || !isSha(head)) throw new Error('only full commit ids can be merged');
  const merged = await run({ args: ['merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', base, head] });
  const [tree = '', ...names] = merged.stdout.toString('utf8').split('\0');
  // With conflicts it ends with 1 and writes a tree all the same ("exit status" in its manual).
  if (!isSha(tree) && /unrelated histories/.test(merged.stderr)) return failed([]);
  if (!isSha(tree)) throw new Error(`git cannot merge ${head} into ${base}: ${wordsOf(merged)}`);
  if (!merged.ok) return failed([...new Set(names.filter((name) => name !== ''))]);
  const time = await run({ args: ['show', '--no-patch', '--no-show-signature', '--format=%ct', head] });
  const at = /^\d+$/.exec(time.stdout.toString('utf8').trim())?.[0];
  if (!time.ok || at === undefined) throw new Error(`git cannot read ${head}: ${wordsOf(time)}`);
  const made = await run({
    args: ['hash-object', '-t', 'commit', '-w', '--stdin'],
    input: commitText({ tree, base, head, at }),
  });
  const sha = made.stdout.toString('utf8').trim();
  if (!made.ok || !isSha(sha)) throw new Error(`git cannot write the merge of ${head}: ${wordsOf(made)}`);
  return success(sha);
}

/** Nothing of now is in it, so that planning it again gives the same commit. */
function commitText(of: Readonly<Record<'tree' | 'base' | 'head' | 'at', string>>): string {
  const who = `Hearth <hearth@localhost> ${of.at} +0000`;
  return [
    ...[`tree ${of.tree}`, `parent ${of.base}`, `parent ${of.head}`, `author ${who}`, `committer ${who}`],
    ...['', `Merge ${of.head} into ${of.base}`, ''],
  ].join('\n');
}
