import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../provision/setup/command.ts';
import { readArguments, verdictOf } from '../../provision/workloads/workload.ts';

const program = ['provision/tasks/workloads.ts'];

describe('the workloads command', () => {
  it('takes the name of a workload, and leaves the rest to hearth run', () => {
    expect(readArguments(['llama'])).toEqual({ ok: true, name: 'llama', forRun: [], byPush: false, keep: null });
    expect(readArguments(['federation', '--only', 'image'])).toEqual({
      ok: true,
      name: 'federation',
      forRun: ['--only', 'image'],
      byPush: false,
      keep: null,
    });
  });

  it('keeps a record of the run under a name, when it is asked to', () => {
    expect(readArguments(['llama', '--only', 'image', '--keep', 'cold', '--skip', 'x'])).toEqual({
      ok: true,
      name: 'llama',
      forRun: ['--only', 'image', '--skip', 'x'],
      byPush: false,
      keep: 'cold',
    });
    for (const name of [[], ['../x'], ['Cold']])
      expect(readArguments(['llama', '--keep', ...name])).toMatchObject({ ok: false });
  });

  it('lets a signed push ask for the run, which then is whole', () => {
    const asked = { ok: true, name: 'llama', forRun: [], byPush: true };
    expect(readArguments(['llama', '--push'])).toEqual({ ...asked, keep: null });
    expect(readArguments(['llama', '--push', '--keep', 'push'])).toEqual({ ...asked, keep: 'push' });
    expect(readArguments(['llama', '--push', '--only', 'image'])).toEqual({
      ok: false,
      problem: 'A push runs the whole pipeline; leave --only image away, or leave --push away.',
    });
  });

  it.each([
    [[], 'No workload was named.'],
    [['lama'], 'No workload "lama".'],
    [['--help'], 'No workload "--help".'],
  ])('refuses %j before anything is set up, and says which there are', async (args, wrong) => {
    const ended = await run(process.execPath, [...program, ...args], { env: { PATH: '/nothing-here' } });
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr: `${wrong}\n→ Use: npm run workloads -- llama|federation [--keep NAME] [--push | OPTIONS OF hearth run]\n`,
    });
  });

  it('runs no pipeline when the machine could not be set up', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hearth-workloads-test-'));
    writeFileSync(join(folder, 'docker'), '#!/bin/sh\necho "permission denied" >&2; exit 1\n');
    chmodSync(join(folder, 'docker'), 0o755);
    const ended = await run(process.execPath, [...program, 'llama'], { env: { PATH: folder, DOCKER_HOST: '' } });
    rmSync(folder, { recursive: true });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain('→ Run: sudo usermod -aG docker');
  });

  it('ends with a verdict that is good for exit code 0 alone', () => {
    expect(verdictOf('llama', 0, 59_400)).toBe('workload llama: success (59 s)');
    expect(verdictOf('llama', 1, 125_000)).toBe('workload llama: not good, exit code 1 (2 min 5 s)');
    expect(verdictOf('federation', 130, 1000)).toBe('workload federation: not good, exit code 130 (1 s)');
  });
});
