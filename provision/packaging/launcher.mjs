#!/usr/bin/env node
// The installed command. Hearth needs Node 24, but whoever installs it may have an older one: then this hands over to
// the Node that came along as an optional dependency. Plain JavaScript that any Node from 14 on can read.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = new URL('./main.mjs', import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main.href);
} else {
  handOver(newerNode());
}

function newerNode() {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node');
  } catch {
    console.error(
      `hearth: this is Node ${process.versions.node}, Hearth needs Node 24, and the package ${name} is not installed.\n` +
        '→ Install Node 24 or newer, or install hearth again without --omit=optional.',
    );
    process.exit(1);
  }
}

function handOver(node) {
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal has already sent Ctrl-C to the child; twice would read as "at once".
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once('error', (error) => {
    console.error(`hearth: ${error.message}\n→ Install hearth again.`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code === null ? 128 + constants.signals[signal] : code));
}
