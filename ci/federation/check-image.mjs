// `node check-image.mjs FOLDER…`: loads everything the programs need, or, for another processor than this one, reads
// which processor each native file is for. Run while the image is built: a missing part is found there, not at a start.
import { Buffer } from 'node:buffer';
import { openSync, readdirSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [arch, ...folders] = process.argv.slice(2);
const machines = { amd64: 62, arm64: 183 };
const here = { x64: 'amd64', arm64: 'arm64' }[process.arch];

for (const folder of folders) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => isNative(name));
  for (const name of names) {
    const machine = machineOf(join(folder, name));
    if (machine !== machines[arch]) throw new Error(`${folder}/${name} is for machine ${machine}, not for ${arch}.`);
  }
  console.log(`${folder}: ${names.length} native files for ${arch}`);
}
if (arch === here) {
  for (const folder of folders) await load(folder);
}

/** Of files for several systems only those for this one count. */
function isNative(name) {
  if (!name.endsWith('.node')) return false;
  const known = /(linux|linuxmusl|darwin|win32)-(x64|arm64)\.node$/.exec(name);
  return known === null || (known[1] === 'linux' && known[2] === (arch === 'amd64' ? 'x64' : 'arm64'));
}

/** e_machine of an ELF file. */
function machineOf(file) {
  const head = Buffer.alloc(20);
  readSync(openSync(file, 'r'), head, 0, head.length, 0);
  if (head.toString('latin1', 1, 4) !== 'ELF') throw new Error(`${file} is no ELF file.`);
  return head.readUInt16LE(18);
}

async function load(folder) {
  const require = createRequire(pathToFileURL(join(folder, 'x.mjs')));
  const Database = require('better-sqlite3');
  const db = new Database(':memory:');
  console.log(`${folder}: SQLite ${db.prepare('select sqlite_version()').pluck().get()}`);
  db.close();
  if (!readdirSync(join(folder, 'node_modules')).includes('agentdb')) return;
  const agentdb = await import(pathToFileURL(require.resolve('agentdb')).href);
  const Index = require('hnswlib-node').HierarchicalNSW;
  new Index('l2', 2).initIndex(1);
  console.log(`${folder}: agentdb with ${Object.keys(agentdb).length} parts, hnswlib-node`);
}
