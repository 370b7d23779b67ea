import { expect, test } from 'vitest';
import type { HealthProbe, HealthStatus } from '../../src/http/health.ts';
import { adminToken, startHttpRig } from '../support/http-rig.ts';

const at = new Date('2026-03-01T00:00:00Z');
const stranger = { via: '1.1 proxy' };

function probe(name: string, status: HealthStatus, reason = `${name} is ${status}`): HealthProbe {
  return { name, check: () => Promise.resolve({ status, reason, at }) };
}

async function ask(url: string, headers: Record<string, string> = {}): Promise<[number, unknown]> {
  const response = await fetch(url, { headers });
  return [response.status, await response.json()];
}

test.each([
  [['ok', 'ok'], 'ok', 200],
  [['ok', 'degraded'], 'degraded', 200],
  [['degraded', 'stale'], 'stale', 503],
  [['down', 'stale'], 'down', 503],
  [[], 'ok', 200],
] as const)('%j is together %s', async (parts, status, code) => {
  await using rig = await startHttpRig({ parts: { probes: parts.map((part, index) => probe(`p${index}`, part)) } });
  expect(await ask(`${rig.url}/health`, stranger)).toEqual([code, { status }]);
});

test('shows each check with its reason and time to this machine and to the admin, and to others only the status', async () => {
  await using rig = await startHttpRig({
    parts: { probes: [probe('github', 'degraded', 'no credential; set GITHUB_TOKEN'), probe('store', 'ok')] },
  });
  const full = {
    status: 'degraded',
    checks: {
      github: { status: 'degraded', reason: 'no credential; set GITHUB_TOKEN', at: at.toISOString() },
      store: { status: 'ok', reason: 'store is ok', at: at.toISOString() },
    },
  };
  expect(await ask(`${rig.url}/health`)).toEqual([200, full]);
  expect(await ask(`${rig.url}/health`, { ...stranger, authorization: `Bearer ${adminToken}` })).toEqual([200, full]);
  expect(await ask(`${rig.url}/health`, stranger)).toEqual([200, { status: 'degraded' }]);
});

test('a probe that throws is down, with what it threw', async () => {
  const broken: HealthProbe = {
    name: 'docker',
    check: () => {
      throw new Error('no socket');
    },
  };
  await using rig = await startHttpRig({ parts: { probes: [broken, probe('store', 'ok')] } });
  expect(await ask(`${rig.url}/health`)).toMatchObject([
    503,
    {
      status: 'down',
      checks: {
        docker: { status: 'down', reason: expect.stringContaining('no socket') as string },
        store: { status: 'ok' },
      },
    },
  ]);
});

test('a probe that never answers is down, and does not hold up the others', async () => {
  const silent: HealthProbe = { name: 'docker', check: () => new Promise(() => undefined) };
  await using rig = await startHttpRig({ parts: { probes: [silent, probe('store', 'ok')] } });
  expect(await ask(`${rig.url}/health`)).toMatchObject([
    503,
    { checks: { docker: { status: 'down' }, store: { status: 'ok' } } },
  ]);
});

test('it is ready as long as it can take deliveries, and alive as long as it answers', async () => {
  let status: HealthStatus = 'ok';
  const store: HealthProbe = { name: 'store', check: () => Promise.resolve({ status, reason: '', at }) };
  await using rig = await startHttpRig({ parts: { probes: [store, probe('docker', 'down')] } });
  expect(await ask(`${rig.url}/readyz`, stranger)).toEqual([200, { status: 'ok' }]);
  status = 'down';
  expect(await ask(`${rig.url}/readyz`, stranger)).toEqual([503, { status: 'down' }]);
  expect(await ask(`${rig.url}/livez`, stranger)).toEqual([200, { status: 'ok' }]);
});
