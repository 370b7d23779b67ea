import { describe, expect, it } from 'vitest';
import { judgeSecrets, type SecretGrant } from '../../src/core/secrets/secret-grants.ts';
import type { TrustClass } from '../../src/core/run.ts';
import type { SecretUse } from '../../src/core/pipeline/secret-uses.ts';
import { makeRun } from '../support/make.ts';

const use = (name: string, isOptional = false): SecretUse => ({ name, variable: name, isFile: false, isOptional });
const grant = (name: string, change: Partial<SecretGrant> = {}): SecretGrant => ({
  ...{ name, trust: ['T1', 'T2'], events: null },
  ...change,
});
const on = (trust: TrustClass, eventName: 'push' | 'pull_request' = 'push') => makeRun({ trust, eventName });

describe('a job gets a secret', () => {
  const granted = [grant('ALL'), grant('MAIN', { trust: ['T1'] }), grant('PUSH', { events: ['push'] })];
  it.each([
    ['ALL', 'T1', 'push', true],
    ['ALL', 'T2', 'pull_request', true],
    ['ALL', 'T3', 'push', false],
    ['ALL', 'T4', 'push', false],
    ['MAIN', 'T1', 'push', true],
    ['MAIN', 'T2', 'push', false],
    ['MAIN', 'T3', 'pull_request', false],
    ['PUSH', 'T1', 'push', true],
    ['PUSH', 'T2', 'pull_request', false],
    ['OTHER', 'T1', 'push', false],
  ] as const)('%s in a run of %s for %s: %s', (name, trust, event, isGiven) => {
    const verdict = judgeSecrets([use(name)], granted, on(trust, event));
    expect(verdict.given).toEqual(isGiven ? [name] : []);
    expect(verdict.problems).toHaveLength(isGiven ? 0 : 1);
  });

  it('never in a run of a fork, whatever a grant says', () => {
    const everything = [grant('ALL', { trust: ['T1', 'T2', 'T3', 'T4'] })];
    expect(judgeSecrets([use('ALL')], everything, on('T3')).given).toEqual([]);
  });

  it('or, where it may go without, none and no problem', () => {
    expect(judgeSecrets([use('OTHER', true)], granted, on('T3'))).toEqual({ given: [], problems: [] });
  });

  it('or is told of all that are missing at once, each with what to do', () => {
    const { problems } = judgeSecrets(
      [use('A'), use('MAIN'), use('PUSH'), use('GITHUB_TOKEN')],
      granted,
      on('T2', 'pull_request'),
    );
    expect(problems).toEqual([
      'secrets.A: octo/hello has no such secret; store it with: hearth secret set A --repo octo/hello',
      'secrets.MAIN: it is kept for T1, and this run is T2; grant it with hearth secret set, or let the job go without it: secrets: [{ name: MAIN, optional: true }]',
      'secrets.PUSH: it is kept for push, and this run is for pull_request; grant it with hearth secret set, or let the job go without it: secrets: [{ name: PUSH, optional: true }]',
      'secrets.GITHUB_TOKEN: jobs get no token of GitHub; store one of your own under another name',
    ]);
  });
});
