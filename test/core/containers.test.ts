import { describe, expect, it } from 'vitest';
import { healthOptions } from '../../src/core/containers.ts';

describe('options of a service', () => {
  it('are those about health, as GitHub writes them', () => {
    const text = `--health-cmd "redis-cli ping || exit 1" --health-interval=10s --health-timeout 500ms --health-retries 5 --health-start-period 1m30s`;
    expect(healthOptions(text)).toEqual({
      ok: true,
      value: {
        ...{ command: 'redis-cli ping || exit 1', interval: '10s', timeout: '500ms', retries: 5, startPeriod: '1m30s' },
      },
    });
    expect(healthOptions('--no-healthcheck')).toEqual({ ok: true, value: { isOff: true } });
    expect(healthOptions('--health-cmd=a=b')).toEqual({ ok: true, value: { command: 'a=b' } });
    expect(healthOptions('')).toEqual({ ok: true, value: {} });
  });

  it.each([
    ['--cpus 1', /"--cpus" is not known/],
    ['--privileged', /"--privileged"/],
    ['--health-cmd', /--health-cmd has no value/],
    ['--health-interval 5', /must be a time such as 10s/],
    ['--health-retries many', /must be a number/],
    ['--health-cmd "open', /quote is not closed/],
    ['constructor', /not known/],
  ])('are wrong: %s', (text, why) => {
    const parsed = healthOptions(text);
    expect(parsed.ok ? '' : parsed.problem).toMatch(why);
  });
});
