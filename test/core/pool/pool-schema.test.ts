import { describe, expect, it } from 'vitest';
import { parsePool } from '../../../src/core/pool/pool-schema.ts';

const repos = ['octo/app'];
function faults(written: unknown, name = 'p'): readonly string[] {
  const parsed = parsePool(name, written);
  return parsed.ok ? [] : parsed.problem;
}

describe('a pool', () => {
  it('needs only to say for whom it is', () => {
    expect(parsePool('fast', { repos: 'octo/app' })).toEqual({
      ok: true,
      value: {
        ...{ name: 'fast', repos, organisation: null, labels: [], platform: null, size: 'multi' },
        ...{ emulation: 'never', installEmulation: false, max: null, minIdle: 1 },
        ...{ maxLifetimeMs: 21_600_000, idleMs: 300_000, staggerMs: 0, scaling: 'aggressive' },
        ...{ image: 'ghcr.io/actions/actions-runner:latest', docker: 'none', register: 'jit', group: 1 },
        ...{ minVersion: '2.329.0', allowPublic: false },
      },
    });
  });

  it('takes amounts, short names of platforms, and words with commas between them', () => {
    const written = { organisation: 'octo', labels: 'gpu, Fast,gpu', platform: 'arm64' };
    expect(parsePool('a', { ...written, size: { cpus: 2, memory: '4g', disk: '20g' } })).toMatchObject({
      value: {
        labels: ['gpu', 'Fast'],
        platform: 'linux/arm64',
        size: { cpus: 2, memoryBytes: 4 * 1024 ** 3, diskBytes: 20 * 1024 ** 3 },
      },
    });
  });

  it('has a fixed number of runners by `count`, shared out over its repositories', () => {
    expect(parsePool('a', { repos: ['octo/a', 'octo/b'], count: 5 })).toMatchObject({ value: { max: 5, minIdle: 2 } });
    expect(faults({ repos: ['octo/a', 'octo/b'], count: 1 })).toEqual([
      '`count` is 1, but there are 2 repositories, and a runner is for one of them',
    ]);
    expect(faults({ repos, count: 2, max: 3 })).toEqual([
      expect.stringContaining('`count` is a fixed number of runners, so `max` and `min-idle` have no place'),
    ]);
  });

  it.each([
    ['nobody to be for', {}, ['`repos` or `organisation` is missing']],
    ['both', { repos, organisation: 'octo' }, ['`repos` and `organisation` are both given']],
    ['a repository without owner', { repos: ['app'] }, ['`repos` has "app"; write a repository as owner/name']],
    ['max below min', { repos, max: 1, 'min-idle': 2 }, ['`max` is 1, but `min-idle` wants 2']],
    ['a label with a space', { repos, labels: ['a b'] }, ['`labels` has "a b": a label is up to 64 letters']],
    ['a label every runner has', { repos, labels: ['linux'] }, ['every runner has it; leave it out']],
    ["a label of GitHub's machines", { repos, labels: ['ubuntu-latest'] }, ["a label of GitHub's own machines"]],
    ['a label of ours', { repos, labels: ['hearth-abc'] }, ['labels that begin with hearth- are made by Hearth']],
    ['an unknown platform', { repos, platform: 'riscv64' }, ['must be one of linux/amd64, linux/arm64']],
    ['another lifetime', { repos, lifetime: 'persistent' }, ['`lifetime` must be one of ephemeral']],
    ['a key that is nearly right', { repos, 'min-idel': 2 }, ['no key `min-idel`; did you mean `min-idle`?']],
    ['part of a size', { repos, size: { cpus: 1, memory: '2g' } }, ['`size.disk`']],
    ['a size that is no size', { repos, size: 'huge' }, ['`size` must be multi, large, or a mapping']],
    ['a time without a unit', { repos, 'max-lifetime': '90' }, ['`max-lifetime` must be a time such as 90s']],
    ['an image with a space', { repos, image: 'a b' }, ['`image` must be the name of an image']],
    ['no mapping', 7, ['a pool must be a mapping']],
  ])('is refused with %s', (_what, written, expected) => {
    const found = faults(written);
    for (const [index, text] of expected.entries()) expect(found[index]).toContain(text);
    expect(found).toHaveLength(expected.length);
  });

  it('is told all that is wrong at once', () => {
    expect(faults({ repos: ['x'], labels: ['a b', 'X64'], scaling: 'wild', max: 0 }, 'Bad Name')).toHaveLength(6);
  });
});
