/** What the target of facts tells: its file `/outputs`, lines of `name=value`. */
import { join } from 'node:path';
import { failed, success, type Result } from '../core/result.ts';
import { shown } from '../core/shown.ts';
import { safeRead } from './safe-read.ts';

const MAX_BYTES = 64 * 1024;

/** `folder` holds the files of the target. The problem is a sentence. */
export async function readFacts(folder: string): Promise<Result<Readonly<Record<string, string>>, string>> {
  const bytes = await safeRead(join(folder, 'outputs'), MAX_BYTES);
  if (bytes === undefined)
    return failed(`image.facts: the target has no plain file /outputs of at most ${MAX_BYTES} bytes`);
  const facts: Record<string, string> = {};
  for (const [index, line] of bytes.toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const found = /^([A-Za-z_][A-Za-z0-9_-]{0,99})=(.*)$/.exec(line);
    if (found?.[1] === undefined)
      return failed(`image.facts: line ${index + 1} of /outputs is ${shown(line)}, and not name=value`);
    facts[found[1]] = found[2] ?? '';
  }
  return success(facts);
}
