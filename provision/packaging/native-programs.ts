// The C programs of src/docker/native, compiled for the architectures that this machine has a compiler for, and their
// sources beside them for the ones it has not. src/docker/native.ts looks for them in this shape.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findCommand, mustRun } from '../setup/command.ts';

const SOURCES = 'src/docker/native';
const FLAGS = ['-static', '-O2', '-s', '-Wall', '-Wextra', '-Wno-format-truncation'];
const CROSS_COMPILERS: Readonly<Record<string, string>> = {
  arm64: 'aarch64-linux-gnu-gcc',
  x64: 'x86_64-linux-gnu-gcc',
};

/** Fills `folder` and returns the architectures that have programs now. Throws when a program does not compile. */
export async function buildNativePrograms(folder: string): Promise<readonly string[]> {
  if (!existsSync(SOURCES)) return [];
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
  const built: string[] = [];
  mkdirSync(folder, { recursive: true });
  for (const source of sources) copyFileSync(join(SOURCES, source), join(folder, source));
  for (const [architecture, crossCompiler] of Object.entries(CROSS_COMPILERS)) {
    const compiler = architecture === process.arch ? 'cc' : crossCompiler;
    if (findCommand(compiler) === undefined) continue;
    mkdirSync(join(folder, architecture), { recursive: true });
    for (const source of sources) {
      const program = join(folder, architecture, basename(source, '.c'));
      await mustRun(compiler, [...FLAGS, '-o', program, join(SOURCES, source)]);
    }
    built.push(architecture);
  }
  return built;
}
