/** What a job cannot do, seen from inside: every assertion of sandbox-probe.sh has a name, and those that fail are listed. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { supersededBy } from '../../src/core/outcome.ts';
import { parseEgressTarget, type EgressTarget } from '../../src/core/egress.ts';
import type { ServiceSpec } from '../../src/core/containers.ts';
import { openEgress } from '../../src/docker/egress.ts';
import { openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';
import { ask, lineServer } from '../support/services.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const MARK = `mark-${process.pid}`;

let rig: ExecutorRig;
let server: Server;
let port: number;
let host: string;
let gateway: string;
let neighbour: { readonly id: string; readonly address: string };

beforeAll(async () => {
  server = createServer((socket) => socket.end('hello from the host\n'));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
  const own = Object.entries(networkInterfaces()).find(([name]) => !/^(?:lo|docker|br-|veth)/.test(name))?.[1];
  host = own?.find(({ family }) => family === 'IPv4')?.address ?? '';
  const run = ['run', '--detach', '--rm', TEST_IMAGE, ...lineServer(7777, 'hello from a neighbour')];
  const id = (await exec('docker', run)).stdout.trim();
  const format = '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}';
  const [address = '', gate = ''] = (await exec('docker', ['inspect', '-f', format, id])).stdout.trim().split(' ');
  gateway = gate;
  neighbour = { id, address };
  rig = await openExecutorRig();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await exec('docker', ['rm', '-f', neighbour.id]);
  server.close();
  expect(rig.errors).toEqual([]);
});

async function probe(changes: Parameters<ExecutorRig['claim']>[1] = {}) {
  const script = await readFile(join(import.meta.dirname, 'sandbox-probe.sh'), 'utf8');
  const env = { PORT: String(port), HOST: host, NEIGHBOUR: neighbour.address, MARK };
  const other = rig.claim(`touch ${MARK}; echo ready; exec -a other-job-${MARK} sleep 1000`);
  const stop = new AbortController();
  const besides = rig.execute(other, stop.signal);
  await expect.poll(() => rig.logOf(other)).toContain('ready\n');
  const { log, finish } = await rig.execute(rig.claim(script, { ...changes, spec: { env, ...changes.spec } }));
  stop.abort(supersededBy('abc1234567'));
  await besides;
  return { log, finish, seen: log.match(/^(?:ok|FAIL) .*$/gm) ?? [] };
}

describe('a job that attacks from inside', () => {
  it('finds all of it shut, whatever it tries', async () => {
    const { seen, finish, log } = await probe();
    expect(seen.filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(seen.length, log).toBeGreaterThanOrEqual(90);
    expect(finish.outcome.result).toBe('success');
  });

  it('finds the same in a container of its own that is read-only', async () => {
    const { seen } = await probe({ spec: { container: { image: TEST_IMAGE, readOnly: true } } });
    expect(seen.filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(seen.length).toBeGreaterThanOrEqual(90);
  });
});

describe('where jobs may connect to', () => {
  const targets = (): string => [ask(gateway, port), ask(host, port), ask(neighbour.address, 7777)].join('\n');
  const allow = (...texts: readonly string[]): readonly EgressTarget[] =>
    texts.map((text) => parseEgressTarget(text) ?? expect.fail(`${text} is no target`));

  it('is neither the host nor a neighbour', async () => {
    const { log } = await rig.execute(rig.claim(targets()));
    expect(log.match(/Connection refused$/gm)).toHaveLength(3);
    expect(log).not.toContain('slowly');
  });

  it('is the one port that the operator opened, also for services, and slots of before are not used', async () => {
    await rig.execute(rig.claim('true'));
    expect(rig.open.pool.counts().idle).toBeGreaterThan(0);
    await rig.restart([], { mode: 'restricted', allow: allow(`${gateway}:${port}`, neighbour.address) });
    expect(rig.open.pool.counts().idle).toBe(0);
    const { log } = await rig.execute(rig.claim([targets(), ask(gateway, port + 1)]));
    expect(log).toContain(`${gateway}: hello from the host\n`);
    expect(log).toContain(`${neighbour.address}: hello from a neighbour\n`);
    expect(log).toMatch(/^[\d.]+: IO::Socket::INET: connect: Connection refused$/m);
    await rig.restart([]);
    expect((await rig.execute(rig.claim(targets()))).log.match(/Connection refused$/gm)).toHaveLength(3);
  });

  it('is everything where the operator leaves it open', async () => {
    await rig.restart([], { mode: 'open', allow: [] });
    const { log } = await rig.execute(rig.claim(targets()));
    expect(log.match(/hello from/g)).toHaveLength(3);
    await rig.restart([]);
  });

  it('is closed to a service as well, from its very first packet, and to jobs with services', async () => {
    const shout = `${targets()}; cat /proc/self/status | grep Cap; echo asked; exec sleep 1000`;
    const service: ServiceSpec = {
      ...{ name: 'curious', image: TEST_IMAGE, env: {}, ports: [], command: ['sh', '-c', shout], entrypoint: null },
      ...{ health: {}, options: '', memoryBytes: 256 * 1024 ** 2 },
    };
    const inside = `sleep 1; ${targets()}; ${ask('$(getent hosts curious | cut -d. -f1-3 | head -1).1', port)}; exit 1`;
    const { log } = await rig.execute(rig.claim(inside, { spec: { services: [service] } }));
    expect(log.match(/^(?!\s+curious).*Connection refused$/gm), log).toHaveLength(4);
    expect(log.match(/^ {2}curious .*Connection refused$/gm)).toHaveLength(3);
    expect(log).toMatch(/curious \| CapEff:\s+00000000000000fb/);
    expect(log).toContain('curious | asked');
  });

  it('cannot be restricted without root, which is said, and refused where it was asked for', async () => {
    expect(await openEgress({ mode: 'auto', allow: [] }, false)).toMatchObject({
      isRestricted: false,
      isDegraded: true,
    });
    await expect(openEgress({ mode: 'restricted', allow: [] }, false)).rejects.toThrow(/HEARTH_EGRESS/);
  });
});
