import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeDaemonRig, type DaemonRig } from '../support/daemon-rig.ts';
import { TEST_IMAGE } from '../support/slots.ts';

let rig: DaemonRig;

beforeAll(async () => {
  rig = await makeDaemonRig({ env: { HEARTH_LABELS: 'big, gpu' } });
  await rig.start();
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  expect(rig.complaints).toEqual([]);
});

it('jobs go to workers with their labels and platform; what no worker offers is an error that says what there is', async () => {
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const other = own === 'arm64' ? 'amd64' : 'arm64';
  const sha = await rig.remote.commit({
    '.hearth/main.yml': [
      `on: push\nsidecar: { image: "${TEST_IMAGE}", shm-size: 64m }\njobs:\n`,
      '  labels: { runs-on: [self-hosted, Linux, GPU], run: echo fits }\n',
      '  hosted: { runs-on: ubuntu-latest, run: echo never }\n',
      `  kinds: { platforms: [${own}, ${other}], run: 'echo on \${{ matrix.platform }}' }\n`,
    ].join(''),
  });
  await rig.push(sha);
  const { jobs } = await rig.runOf(sha);
  expect(Object.fromEntries(jobs.map(({ name, outcome }) => [name, outcome?.result]))).toEqual({
    ...{ labels: 'success', hosted: 'error' },
    ...{ [`kinds (${own})`]: 'success', [`kinds (${other})`]: 'error' },
  });
  expect(jobs.find(({ name }) => name === 'hosted')?.outcome?.message).toMatch(
    /^runs-on: ubuntu-latest: no worker offers that \(self-hosted, linux, \w+, big, gpu\)/,
  );
  const log = await (await rig.api(`/logs/${sha}/${encodeURIComponent(`kinds (${own})`)}`)).text();
  expect(log).toContain(`on linux/${own}\n`);
});
