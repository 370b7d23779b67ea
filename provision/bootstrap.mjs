#!/usr/bin/env node
// `node provision/bootstrap.mjs TASK [ARGUMENTS]`: brings node_modules up to date, then runs the task's programs on the
// Node that came with them. Plain JavaScript without dependencies: it is what runs first on a bare clone, on any Node
// from 18 on. Exit code: the first program's that is not 0; 1 when packages could not be installed; 2 for wrong usage.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const node = join(modules, '.bin', 'node');
const nodeProgram = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node');
const stampFile = join(modules, '.hearth-installed');
const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
const lockHash = createHash('sha256').update(lockText).digest('hex');

const eslint = ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings', '0'];
const prettier = ['node_modules/prettier/bin/prettier.cjs', '.', '--log-level', 'warn'];
const tsc = ['node_modules/typescript/bin/tsc'];
const setUp = ['provision/tasks/set-up.ts'];
const lanes = ['provision/tasks/test.ts'];

/** TASK → programs, run in this order; the task's own arguments go to the last one. */
const TASKS = {
  install: [],
  'set-up': [setUp],
  demo: [setUp, ['src/demo/main.ts']],
  test: [lanes],
  workloads: [['provision/tasks/workloads.ts']],
  lint: [eslint, [...prettier, '--check']],
  format: [[...prettier, '--write']],
  types: [tsc],
  build: [['provision/tasks/build.ts']],
  hearth: [['src/main.ts']],
};

const [task = '', ...args] = process.argv.slice(2);
const lane = /^test:([a-z0-9]+)$/.exec(task)?.[1];
const programs = lane === undefined ? TASKS[task] : [[...lanes, lane]];
if (programs === undefined) {
  console.error(`hearth set-up: no task "${task}".\n→ Use one of: ${Object.keys(TASKS).join(', ')}, test:LANE`);
  process.exit(2);
}

// Every start of the command would otherwise read as "packages changed" while somebody edits the lock file.
const upToDate = () => (task === 'hearth' || installedHash() === lockHash) && linkNode();
if (!upToDate()) await installOnce();
for (const [index, program] of programs.entries()) {
  const code = await runToEnd(node, index === programs.length - 1 ? [...program, ...args] : program);
  if (code !== 0) process.exit(code);
}

function installedHash() {
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8').trim();
  return installedByNpm() ? lockHash : undefined;
}

/** Whether somebody ran `npm ci` by hand: npm writes down what it installed as its last act. */
function installedByNpm() {
  const hiddenLock = join(modules, '.package-lock.json');
  if (!existsSync(hiddenLock)) return false;
  const installed = JSON.parse(readFileSync(hiddenLock, 'utf8')).packages;
  const wanted = JSON.parse(lockText).packages;
  const same = (path) => installed[path]?.integrity === wanted[path]?.integrity;
  const needed = Object.keys(wanted).filter((path) => path !== '' && isFor(wanted[path]));
  return needed.every((path) => path in installed && same(path)) && Object.keys(installed).every(same);
}

/** Whether a package of the lock file belongs on this machine; one for glibc counts everywhere but on musl. */
function isFor({ os, cpu, libc, optional }) {
  const names = (list, word) => list === undefined || [list].flat().includes(word);
  const mine = names(os, process.platform) && names(cpu, process.arch) && names(libc, 'glibc');
  return mine && (!optional || os !== undefined);
}

/** npm before 10 takes the link away with the package of the other architecture; without it no script finds Node 24. */
function linkNode() {
  if (!existsSync(node) && existsSync(nodeProgram)) symlinkSync(relative(dirname(node), nodeProgram), node);
  return existsSync(node);
}

/** Two commands started together must not both rewrite node_modules; the later one waits and then finds it done. */
async function installOnce() {
  const lockFile = join(tmpdir(), `hearth-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.pid`);
  while (!takeLock(lockFile)) await new Promise((resolve) => setTimeout(resolve, 200));
  process.once('exit', () => rmSync(lockFile, { force: true }));
  if (!upToDate()) await install();
  rmSync(lockFile, { force: true });
}

function takeLock(lockFile) {
  try {
    const file = openSync(lockFile, 'wx');
    writeFileSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!holderIsAlive(lockFile)) rmSync(lockFile, { force: true });
    return false;
  }
}

function holderIsAlive(lockFile) {
  try {
    const pid = Number(readFileSync(lockFile, 'utf8'));
    // Created but not yet written: its owner is about to write its number.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function install() {
  const startedAt = performance.now();
  process.stderr.write('hearth set-up: packages: npm ci … ');
  let { code, output } = await npmCi(process.execPath);
  // npm leaves out optional packages that do not support the Node it runs on, and some here are the only way to work.
  if (code === 0 && isOld(process.versions.node) && existsSync(nodeProgram)) {
    ({ code, output } = await npmCi(nodeProgram));
  }
  const elapsed = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  if (code === 0 && linkNode()) {
    writeFileSync(stampFile, `${lockHash}\n`);
    process.stderr.write(`${elapsed}\n`);
    return;
  }
  process.stderr.write(`failed after ${elapsed}\n${output}`);
  const why =
    code === 0
      ? `npm ci brought no Node for ${process.platform}-${process.arch}.\n` +
        '→ Hearth runs on Linux, x64 or arm64; use such a machine.'
      : 'npm ci failed.\n→ Check that this host reaches its npm registry (npm ping), then run the same command again.';
  console.error(`hearth set-up: ${why}`);
  process.exit(1);
}

function isOld(version) {
  const [major, minor] = version.split('.').map(Number);
  return major < 20 || (major === 20 && minor < 19) || major === 21;
}

function npmCi(nodeForNpm) {
  const npmScript = process.env['npm_execpath'] ?? '';
  const [command, first] = npmScript.endsWith('.js') ? [nodeForNpm, [npmScript]] : ['npm', []];
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const path = `${dirname(nodeForNpm)}:${process.env['PATH'] ?? ''}`;
  return capture(command, [...first, 'ci', ...options], { ...process.env, PATH: path });
}

function capture(command, commandArgs, env) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => resolve({ code: 127, output: `${output}${error.message}\n` }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs a program with this terminal; resolves to its exit code, or 128 + the signal that ended it. */
function runToEnd(command, commandArgs) {
  return new Promise((resolve) => {
    const path = `${join(modules, '.bin')}:${process.env['PATH'] ?? ''}`;
    const child = spawn(command, commandArgs, { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } });
    const forward = (signal) => {
      // A terminal has already sent Ctrl-C to the program; twice would read as "now, without cleaning up".
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.once('error', (error) => {
      console.error(`hearth set-up: ${error.message}\n→ Delete node_modules, then run the same command again.`);
      resolve(1);
    });
    child.once('exit', (code, signal) => {
      for (const each of signals) process.off(each, forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
