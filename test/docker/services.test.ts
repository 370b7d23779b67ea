/** `container` and `services` of a job over a real engine. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { supersededBy } from '../../src/core/outcome.ts';
import type { ServiceSpec } from '../../src/core/containers.ts';
import type { CacheSpec, JobSpec } from '../../src/core/pipeline/pipeline.ts';
import type { Claim } from '../../src/core/ports.ts';
import { labelOf } from '../../src/docker/open-executor.ts';
import { RIG_SECRET, RIG_TOKEN, openExecutorRig, type ExecutorRig } from '../support/executor-rig.ts';
import { ask, lineServer, portCheck } from '../support/services.ts';
import { TEST_IMAGE } from '../support/slots.ts';

const exec = promisify(execFile);
const OTHER_IMAGE = 'hearth-test/other:1';

let rig: ExecutorRig;

beforeAll(async () => {
  const dockerfile = `FROM ${TEST_IMAGE}\nENV FROM_OTHER=yes\nRUN echo other > /which\nCMD ["sleep", "1000"]\n`;
  const build = exec('docker', ['build', '-q', '-t', OTHER_IMAGE, '-']);
  build.child.stdin?.end(dockerfile);
  await build;
  rig = await openExecutorRig();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.errors).toEqual([]);
});

function service(name: string, changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    ...{ name, image: TEST_IMAGE, env: {}, ports: [], command: null, entrypoint: null, health: {}, options: '' },
    memoryBytes: 256 * 1024 ** 2,
    ...changes,
  };
}

const healthy = { command: portCheck(5432), interval: '100ms', timeout: '2s', retries: 50 };

/** Containers and networks of services of this data folder. */
async function leftovers(): Promise<readonly string[]> {
  const filter = ['--filter', `label=${labelOf('services', rig.data)}`, '--format', '{{.ID}}'];
  const all = await Promise.all([
    exec('docker', ['ps', '--all', ...filter]),
    exec('docker', ['network', 'ls', ...filter]),
  ]);
  return all.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== ''));
}

describe('a job with a container of its own', () => {
  const container = { image: OTHER_IMAGE, readOnly: false };

  it('runs in that image, with its variables, and its dependency layers are built in it', async () => {
    const deps: CacheSpec = {
      kind: 'layer',
      key: ['deps.lock'],
      paths: ['deps'],
      install: 'mkdir deps; cp /which deps/',
    };
    const { finish, log } = await rig.execute(
      rig.claim('cat /which deps/which; echo from $FROM_OTHER', { spec: { container }, caches: { deps } }),
    );
    expect(finish.outcome.result, log).toBe('success');
    expect(log).toContain('other\nother\nfrom yes\n');
    const plain = await rig.execute(
      rig.claim('test ! -e /which', { caches: { deps: { ...deps, install: 'mkdir deps; touch deps/x' } } }),
    );
    expect(plain.finish.outcome.result).toBe('success');
  });

  it('has its image filled in when it starts, and none means the sidecar', async () => {
    const image = `\${{ matrix.other && '${OTHER_IMAGE}' || '' }}`;
    const other = await rig.execute(
      rig.claim('cat /which', { spec: { container: { image, readOnly: false }, axes: { other: true } } }),
    );
    expect(other.log).toContain('other\n');
    const none = await rig.execute(
      rig.claim('test ! -e /which', { spec: { container: { image, readOnly: false }, axes: { other: false } } }),
    );
    expect(none.finish.outcome.result).toBe('success');
  });

  it.each([
    ['hearth.invalid/no-such-image:1', 'image', /container: the image hearth\.invalid/],
    ["${{ format('--{0}', github.sha) }}", 'config', /container: .* is not the name of an image/],
    ["${{ fromJSON('{') }}", 'config', /container: .*JSON/],
  ])('whose image is %s is an error that names the key', async (image, reason, message) => {
    const { finish } = await rig.execute(rig.claim('true', { spec: { container: { image, readOnly: false } } }));
    expect(finish.outcome).toMatchObject({ result: 'error', reason });
    expect(finish.outcome.message).toMatch(message);
  });

  it('that is read-only can write its workspace and temporary folders and nothing else', async () => {
    const folders = ['/work', '/tmp', '/var/tmp', '/run', '/root', '/dev/shm'];
    const script = `for f in ${folders.join(' ')}; do touch $f/x || echo no $f; done; for f in / /etc /usr /var /opt /.hearth; do touch $f/x 2>/dev/null && echo yes $f; done; echo over`;
    const { log } = await rig.execute(rig.claim(script, { spec: { container: { ...container, readOnly: true } } }));
    expect(log).toBe('▸ step 1\nover\n');
  });
});

describe('a job with services', () => {
  const db = service('db', {
    command: lineServer(5432, 'hello from db', 1),
    health: healthy,
    ports: ['5432', '9999:80/tcp'],
  });

  it('waits until they are healthy, however long that takes', async () => {
    const slow = service('slow', { command: lineServer(5432, 'hello from slow', 4), health: healthy });
    const { log } = await rig.execute(rig.claim(ask('slow', 5432), { spec: { services: [slow] } }));
    expect(log).toContain('slow: hello from slow\n');
  });

  it('starts when they are healthy, reaches them by name, and nothing of them is left', async () => {
    const spec: Partial<JobSpec> = { services: [db, service('other', { image: OTHER_IMAGE })] };
    const script = [
      ask('db', 5432),
      "echo ${{ job.services.db.ports['5432'] }} ${{ job.services.db.ports['80'] }} ${{ job.services.db.network }}",
      'getent hosts other',
    ];
    const { finish, log } = await rig.execute(rig.claim(script, { spec }));
    expect(finish.outcome.result, log).toBe('success');
    expect(log).toContain('db: hello from db\n');
    expect(log).toMatch(/^5432 80 hearth-[0-9a-f]+-\d+\.1$/m);
    expect(log).toContain('services.other runs and has no health check');
    expect(log).not.toContain('services.db runs and has');
    expect(log).not.toContain('last lines');
    expect(await leftovers()).toEqual([]);
  });

  it('that fails has their last lines in its log, masked', async () => {
    const secrets = [{ name: 'TOKEN', variable: 'TOKEN', isFile: false, isOptional: false }];
    const chatty = service('chatty', {
      command: ['sh', '-c', `echo password ${RIG_SECRET}; echo token ${RIG_TOKEN}; echo on stderr >&2; sleep 1000`],
    });
    const { finish, log } = await rig.execute(
      rig.claim('sleep 0.3; exit 3', { spec: { services: [chatty], secrets } }),
    );
    expect(finish.outcome).toMatchObject({ result: 'failure', message: 'step 1: exit 3' });
    expect(log).toContain('hearth: services.chatty is running; its last lines:\n');
    expect(log).toContain('  chatty | password ***\n');
    expect(log).toContain('  chatty | token ***\n');
    expect(log).toContain('  chatty | on stderr\n');
    expect(log).not.toContain(RIG_SECRET);
    expect(await leftovers()).toEqual([]);
  });

  it.each<[string, Partial<ServiceSpec>, string, RegExp]>([
    ['cannot be had', { image: 'hearth.invalid/no-such:1' }, 'image', /^services\.bad\.image: hearth\.invalid/],
    [
      'dies at once',
      { command: ['sh', '-c', 'echo the-cause; exit 4'], health: healthy },
      'config',
      /^services\.bad: .*exit code 4/,
    ],
    ['cannot be started', { command: ['/no/such/program'], health: healthy }, 'config', /^services\.bad/],
    [
      'never gets healthy',
      { command: ['sleep', '1000'], health: { command: 'false', interval: '100ms', retries: 2 } },
      'config',
      /^services\.bad: .*healthy/,
    ],
    ['has options that are wrong', { options: "${{ '--cpus 2' }}" }, 'config', /^services\.bad\.options: "--cpus"/],
  ])('one of which %s is an error that names it, and nothing is left', async (_name, changes, reason, message) => {
    const { finish, log } = await rig.execute(
      rig.claim('echo never', { spec: { services: [db, service('bad', changes)] } }),
    );
    expect(finish.outcome).toMatchObject({ result: 'error', reason });
    expect(finish.outcome.message).toMatch(message);
    if (changes.command?.includes('-c') === true) expect(log).toContain('bad | the-cause');
    expect(log).not.toContain('never\n');
    expect(await leftovers()).toEqual([]);
  });

  it('knows of no service whose image came out empty', async () => {
    const { finish, log } = await rig.execute(
      rig.claim('getent hosts maybe || echo none', {
        spec: { services: [service('maybe', { image: "${{ matrix.db || '' }}" })] },
      }),
    );
    expect(finish.outcome.result).toBe('success');
    expect(log).toContain('none\n');
  });

  it('that is cancelled while they start ends at once, and nothing is left', async () => {
    const slow = service('slow', {
      command: ['sleep', '1000'],
      health: { command: 'false', interval: '1s', retries: 900 },
    });
    const stop = new AbortController();
    const wanted = rig.claim('echo never', { spec: { services: [slow] } });
    const running = rig.execute(wanted, stop.signal);
    await expect.poll(leftovers).not.toEqual([]);
    stop.abort(supersededBy('abc1234567'));
    expect((await running).finish.outcome).toEqual(supersededBy('abc1234567'));
    await expect.poll(leftovers).toEqual([]);
  });

  it('that is cancelled while their containers are made is released without an error', async () => {
    const names = ['one', 'two', 'three'];
    const services = names.map((name) => service(name, { command: ['sleep', '1000'] }));
    for (const waitMs of [0, 5, 50, 150, 300]) {
      const stop = new AbortController();
      setTimeout(() => {
        stop.abort(supersededBy('abc1234567'));
      }, waitMs);
      const { finish } = await rig.execute(rig.claim('sleep 1000', { spec: { services } }), stop.signal);
      expect(finish.outcome.result).toBe('cancelled');
    }
    await expect.poll(leftovers, { timeout: 20_000 }).toEqual([]);
  });

  it('whose timeout is over before they are healthy has timed out', async () => {
    const slow = service('slow', {
      command: ['sleep', '1000'],
      health: { command: 'false', interval: '1s', retries: 900 },
    });
    const { finish } = await rig.execute(rig.claim('echo never', { spec: { services: [slow], timeoutMs: 2_000 } }));
    expect(['timeout', 'config']).toContain(finish.outcome.reason);
    await expect.poll(leftovers).toEqual([]);
  });

  it('goes on with them after a restart, and they go when it is over', async () => {
    const script = [
      `echo up; while test ! -e /tmp/go; do sleep 0.1; done; ${ask('db', 5432)}`,
      'echo ${{ job.services.db.ports[5432] }}',
    ];
    const wanted = rig.claim(script, { spec: { services: [db] } });
    const job = await rig.begin(wanted, 'up\n');
    await job.leave();
    const before = await leftovers();
    await rig.restart([wanted]);
    expect(await leftovers()).toEqual(before);
    const { stdout } = await exec('docker', ['ps', '-q', '--filter', 'label=hearth.slot']);
    for (const id of stdout.trim().split('\n')) await exec('docker', ['exec', id, 'touch', '/tmp/go']);
    const { finish, log } = await rig.execute(wanted);
    expect(finish.outcome.result, log).toBe('success');
    expect(log).toContain('db: hello from db\n');
    expect(log).toContain('5432\n');
    expect(await leftovers()).toEqual([]);
  });

  it('whose process was killed while they started leaves nothing once the next one has swept', async () => {
    const unfinished: Claim = rig.claim('true', { spec: { services: [db] } });
    const label = labelOf('services', rig.data);
    const attempt = `hearth.attempt=${unfinished.job.id}.1`;
    await exec('docker', ['network', 'create', '--label', label, '--label', attempt, 'hearth-left-behind']);
    await exec('docker', [
      'run',
      '-d',
      '--network',
      'hearth-left-behind',
      '--label',
      label,
      '--label',
      attempt,
      TEST_IMAGE,
      'sleep',
      '1000',
    ]);
    // The claim is still there, but nothing of it was begun, so it begins anew, with services of its own.
    await rig.restart([unfinished]);
    expect(await leftovers()).toEqual([]);
    expect((await rig.execute(unfinished)).finish.outcome.result).toBe('success');
  });

  it('that lost its slot leaves nothing behind', async () => {
    const wanted = rig.claim('echo up; sleep 1000', { spec: { services: [db] } });
    const running = rig.execute(wanted);
    await expect.poll(() => rig.logOf(wanted)).toContain('up\n');
    const { stdout } = await exec('docker', ['ps', '-q', '--no-trunc', '--filter', 'label=hearth.slot']);
    for (const id of stdout.trim().split('\n')) {
      const top = await exec('docker', ['top', id, '-eo', 'pid,args']);
      if (top.stdout.includes('sleep 1000')) await exec('docker', ['kill', id]);
    }
    expect((await running).finish.outcome).toMatchObject({ result: 'error', reason: 'lost_slot' });
    expect(await leftovers()).toEqual([]);
  });

  it('never leaves its slot to another job', async () => {
    await rig.execute(rig.claim('touch /root/was-here', { spec: { services: [db] } }));
    const next = await rig.execute(rig.claim('test ! -e /root/was-here'));
    expect(next.finish.outcome.result).toBe('success');
  });
});
