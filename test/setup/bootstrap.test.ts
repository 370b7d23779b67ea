// The bootstrap on a tiny repository of its own, with a scripted npm: what it installs when, and what it passes on.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run, type Finished } from '../../provision/setup/command.ts';

let root = '';

/** Stands in for npm: brings "Node" by a link to this one, leaves a trace, or fails when told to. */
const NPM = `
const { appendFileSync, mkdirSync, symlinkSync, rmSync, existsSync } = require('node:fs');
appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
if (existsSync('npm-fails')) { console.error('registry is out of reach'); process.exit(1); }
rmSync('node_modules', { recursive: true, force: true });
mkdirSync('node_modules/.bin', { recursive: true });
symlinkSync(process.execPath, 'node_modules/.bin/node');
`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hearth-bootstrap-test-'));
  mkdirSync(join(root, 'provision'));
  mkdirSync(join(root, 'src'));
  cpSync('provision/bootstrap.mjs', join(root, 'provision/bootstrap.mjs'));
  writeFileSync(join(root, 'package-lock.json'), '{"packages":{}}');
  writeFileSync(join(root, 'npm.js'), NPM);
  writeFileSync(join(root, 'src/main.ts'), 'process.exitCode = Number(process.argv[2] ?? 0);');
});

afterEach(() => rmSync(root, { recursive: true }));

function bootstrap(...args: readonly string[]): Promise<Finished> {
  const env = { npm_execpath: join(root, 'npm.js') };
  return run(process.execPath, [join(root, 'provision/bootstrap.mjs'), ...args], { env, cwd: root });
}

function installs(): number {
  const log = join(root, 'npm.log');
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').length : 0;
}

describe('the bootstrap', () => {
  it('installs packages on a bare clone and not again', async () => {
    const first = await bootstrap('install');
    expect(first.stderr).toMatch(/^hearth set-up: packages: npm ci … \d+\.\d s\n$/);
    const second = await bootstrap('install');
    expect(second).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(installs()).toBe(1);
    expect(readFileSync(join(root, 'npm.log'), 'utf8')).toContain('ci --ignore-scripts --no-audit --no-fund');
  });

  it('installs again when the lock file changed, except for the command itself', async () => {
    await bootstrap('install');
    writeFileSync(join(root, 'package-lock.json'), '{"packages":{},"changed":true}');
    await bootstrap('hearth');
    expect(installs()).toBe(1);
    await bootstrap('install');
    expect(installs()).toBe(2);
  });

  it('accepts what somebody installed with npm by hand', async () => {
    await bootstrap('install');
    rmSync(join(root, 'node_modules/.hearth-installed'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{"packages":{}}');
    await bootstrap('install');
    expect(installs()).toBe(1);
  });

  it('tries again after a failed installation, which says what to do', async () => {
    writeFileSync(join(root, 'npm-fails'), '');
    const failed = await bootstrap('install');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('registry is out of reach');
    expect(failed.stderr).toContain('→ Check that this host reaches its npm registry');
    rmSync(join(root, 'npm-fails'));
    expect((await bootstrap('install')).code).toBe(0);
    expect(installs()).toBe(2);
  });

  it('lets two commands started together install once', async () => {
    const both = await Promise.all([bootstrap('install'), bootstrap('install')]);
    expect(both.map((finished) => finished.code)).toEqual([0, 0]);
    expect(installs()).toBe(1);
  });

  it('passes arguments and the exit code through', async () => {
    expect((await bootstrap('hearth', '42')).code).toBe(42);
  });

  it('names the tasks there are when asked for another', async () => {
    const finished = await bootstrap('tset');
    expect(finished.code).toBe(2);
    expect(finished.stderr).toContain('no task "tset".\n→ Use one of: install, set-up, demo, test');
  });
});

it('every script puts the bootstrap in the place of its shell, so that a signal sent to npm arrives', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const calls = Object.values(scripts).filter((script) => script.includes('provision/bootstrap.mjs'));
  expect(calls.length).toBeGreaterThan(0);
  expect(calls.filter((script) => !script.startsWith('exec node '))).toEqual([]);
});
