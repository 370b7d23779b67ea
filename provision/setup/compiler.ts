// The two small programs that run inside slots are C, linked statically, so they need a compiler and a static libc.
import { existsSync } from 'node:fs';
import { ensurePackages } from './apt.ts';
import { findCommand, run } from './command.ts';
import type { Progress } from './progress.ts';

/** Makes sure `cc -static` works. May be repeated. Throws SetUpError, saying what to install, when it cannot. */
export async function ensureCompiler(progress: Progress): Promise<void> {
  if (await canLinkStatically()) return;
  await ensurePackages(progress, 'C compiler', ['gcc', 'libc6-dev']);
}

async function canLinkStatically(): Promise<boolean> {
  if (findCommand('cc') === undefined) return false;
  // Prints a full path when the compiler finds the static libc, and the bare name when it does not.
  const found = await run('cc', ['-print-file-name=libc.a']);
  return existsSync(found.stdout.trim()) && found.stdout.startsWith('/');
}
