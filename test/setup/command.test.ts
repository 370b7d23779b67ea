import { describe, expect, it } from 'vitest';
import { findCommand, mustRun, run } from '../../provision/setup/command.ts';

const node = process.execPath;

describe('a host command', () => {
  it('gives its output and exit code', async () => {
    const script = 'process.stdin.pipe(process.stdout); process.stderr.write("warned"); process.exitCode = 3';
    expect(await run(node, ['-e', script], { input: 'hello' })).toEqual({ code: 3, stdout: 'hello', stderr: 'warned' });
  });

  it('that is not installed ends without an exit code', async () => {
    expect(await run('hearth-no-such-command', [])).toMatchObject({ code: null });
    expect(findCommand('hearth-no-such-command')).toBeUndefined();
  });

  it('is ended at its deadline', async () => {
    const finished = await run(node, ['-e', 'setInterval(() => {}, 1000)'], { deadline: 50 });
    expect(finished.code).toBeNull();
    expect(finished.stderr).toContain('was ended after 50 ms');
  });

  it('that says nothing is ended early', async () => {
    const finished = await run(node, ['-e', 'setInterval(() => {}, 1000)'], { firstOutputWithin: 50 });
    expect(finished.stderr).toContain('said nothing for 50 ms');
  });

  it('that has to work throws with the end of what it printed', async () => {
    const script = 'console.error("disk full"); process.exit(2)';
    await expect(mustRun(node, ['-e', script])).rejects.toThrow(/ended with 2:\ndisk full/);
  });
});
