import { describe, expect, it } from 'vitest';
import { isForSelfHosted, scopeFor, whyNoPool } from '../../../src/core/pool/match.ts';
import { labelsOfPool } from '../../../src/core/pool/pool.ts';
import { makePool } from '../../support/make-pool.ts';

const repo = { id: 1, owner: 'octo', name: 'app' };
const wants = (labels: readonly string[], of = repo) => ({ labels, repo: of });
function offering(more: Parameters<typeof makePool>[0] = {}, platform = 'linux/amd64') {
  const pool = makePool(more);
  return { pool, labels: labelsOfPool(pool, platform, 'abcd1234') };
}

describe('a job of a workflow', () => {
  it('goes to a pool that has all of its labels, in any case, and is for its repository', () => {
    const gpu = offering({ labels: ['GPU'], repos: ['Octo/App'] });
    expect(scopeFor(gpu, wants(['self-hosted', 'x64', 'gpu']))).toEqual({ repo: 'Octo/App' });
    expect(scopeFor(gpu, wants(['self-hosted', 'arm64']))).toBeUndefined();
    expect(scopeFor(gpu, wants(['self-hosted'], { ...repo, name: 'other' }))).toBeUndefined();
    expect(scopeFor(offering({ repos: [], organisation: 'OCTO' }), wants(['Linux']))).toEqual({ organisation: 'OCTO' });
  });

  it('with `large` needs a pool of that size', () => {
    expect(scopeFor(offering({ size: 'large' }), wants(['self-hosted', 'large']))).toBeDefined();
    expect(scopeFor(offering(), wants(['self-hosted', 'large']))).toBeUndefined();
  });

  it("that names one of GitHub's own machines is none of ours", () => {
    expect(isForSelfHosted(wants(['ubuntu-latest']))).toBe(false);
    expect(isForSelfHosted(wants(['Self-Hosted', 'gpu']))).toBe(true);
  });

  it('that nobody can take is told the nearest pool, what it lacks, and what may have been meant', () => {
    const pools = [offering({ name: 'amd' }), offering({ name: 'arm', labels: ['graviton'] }, 'linux/arm64')];
    expect(whyNoPool(pools, wants(['self-hosted', 'ARM64', 'gravitom']))).toBe(
      'runs-on: [self-hosted, ARM64, gravitom]: no pool for octo/app has all of these labels; the nearest, arm, ' +
        'has [self-hosted, linux, ARM64, graviton, hearth-abcd1234] and lacks gravitom (did you mean graviton?)',
    );
  });

  it('of a repository without a pool is told which pool would do', () => {
    const other = wants(['self-hosted', 'X64'], { ...repo, name: 'other' });
    expect(whyNoPool([offering({ name: 'amd' })], other)).toContain(
      'no pool is for octo/other; pool amd has these labels; add the repository to it',
    );
    expect(whyNoPool([], other)).toContain('no pool is for octo/other; add one');
  });
});
