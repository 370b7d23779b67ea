import { describe, expect, it } from 'vitest';
import { judgeInputs, type DispatchInput } from '../../src/core/dispatch.ts';

const input = (changes: Partial<DispatchInput> = {}): DispatchInput => ({
  ...{ description: null, required: false, type: 'string', default: null, options: [] },
  ...changes,
});
const inputs = {
  version: input({ required: true }),
  'dry-run': input({ type: 'boolean' }),
  copies: input({ type: 'number' }),
  channel: input({ type: 'choice', options: ['stable', 'beta'] }),
};

describe('inputs', () => {
  it('get their types in the context, and are texts in the event', () => {
    const given = { version: '1.10', 'dry-run': 'true', copies: 2, channel: 'beta' };
    expect(judgeInputs(inputs, given)).toEqual({
      ok: true,
      value: {
        typed: { version: '1.10', 'dry-run': true, copies: 2, channel: 'beta' },
        texts: { version: '1.10', 'dry-run': 'true', copies: '2', channel: 'beta' },
      },
    });
  });

  it('that nobody gave have their default, else nothing', () => {
    expect(judgeInputs({ ...inputs, version: input({ required: true, default: 'next' }) }, {})).toMatchObject({
      value: {
        typed: { version: 'next', 'dry-run': false, copies: null, channel: '' },
        texts: { version: 'next', 'dry-run': 'false', copies: '', channel: '' },
      },
    });
  });

  it('that are unknown, missing or do not fit are all named at once', () => {
    const given = { verison: '1', 'dry-run': 'yes', copies: 'two', channel: 'nightly', toString: 'x' };
    expect(judgeInputs(inputs, given)).toEqual({
      ok: false,
      problem: [
        'There is no input verison. Did you mean "version"?',
        'There is no input toString. Its inputs: version, dry-run, copies, channel.',
        'The input version is required. Give it a value.',
        'The input dry-run must be true or false. It is yes.',
        'The input copies must be a number. It is two.',
        'The input channel must be one of stable, beta. It is nightly.',
      ],
    });
  });
});
