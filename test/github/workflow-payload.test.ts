import { expect, test } from 'vitest';
import { readPayload } from '../../src/github/payload.ts';
import { changed, examples } from '../support/examples.ts';

function told(event: string, payload: unknown) {
  const reading = readPayload(event, payload);
  if (!reading.ok) throw new Error(reading.problem);
  expect(reading.value.request).toBeNull();
  return reading.value.news;
}

function example(event: string, fits: (payload: Readonly<Record<string, unknown>>) => boolean) {
  const found = examples(event).find(fits);
  if (found === undefined) throw new Error(`no such example of ${event}`);
  return found;
}

const running = example('workflow_job', ({ workflow_job: job }) => (job as { id: number }).id === 14541957942);
const waiting = example('workflow_job', ({ action }) => action === 'waiting');
const old = example('workflow_job', ({ workflow_job: job }) => (job as { id: number }).id === 2832853555);
const queued = changed(waiting, { action: 'queued', 'workflow_job.status': 'queued' });

test('a workflow job that runs is told with its run, its labels and its runner', () => {
  expect(told('workflow_job', running)).toEqual({
    kind: 'job',
    job: {
      id: 14541957942,
      repo: { id: 445650657, owner: 'wolfy1339', name: 'github-events-schemas' },
      runId: 5373506832,
      attempt: 1,
      workflow: 'Test',
      name: 'Do examples need to be regenerated?',
      url: 'https://github.com/wolfy1339/github-events-schemas/actions/runs/5373506832/jobs/9747952373',
      headSha: 'eeeb91cc89453bff9ce51f450d8badd4eb41ae8b',
      labels: ['ubuntu-latest'],
      state: 'in_progress',
      conclusion: null,
      runner: 'GitHub Actions 6',
      createdAt: new Date('2023-06-26T03:31:29Z'),
      startedAt: new Date('2023-06-26T03:31:36Z'),
      completedAt: null,
    },
  });
});

test('every example of GitHub is understood, and none asks for a run of ours', () => {
  const states = examples('workflow_job').map((payload) => {
    const news = told('workflow_job', payload);
    return news?.kind === 'job' ? news.job.state : undefined;
  });
  expect(states).toEqual([
    'in_progress',
    'completed',
    'completed',
    'in_progress',
    'in_progress',
    'queued',
    'waiting',
    'waiting',
  ]);
  for (const payload of examples('workflow_run')) expect(told('workflow_run', payload)).toMatchObject({ kind: 'run' });
});

test('a job that waits for a person is not queued, whatever the action says', () => {
  const action = example('workflow_job', (payload) => {
    const job = payload['workflow_job'] as { status: string };
    return payload['action'] === 'queued' && job.status === 'waiting';
  });
  expect(told('workflow_job', action)).toMatchObject({ job: { state: 'waiting', labels: ['self-hosted', 'k8s'] } });
});

test('a queued job has neither a runner nor a start, although GitHub may fill both in', () => {
  const filled = changed(queued, {
    'workflow_job.runner_name': 'GitHub Actions 5',
    'workflow_job.started_at': '2023-04-19T21:12:12Z',
  });
  expect(told('workflow_job', filled)).toMatchObject({ job: { state: 'queued', runner: null, startedAt: null } });
});

test('an older server that tells neither attempt nor time of creation is understood', () => {
  expect(told('workflow_job', old)).toMatchObject({ job: { attempt: 1, workflow: null, createdAt: null } });
});

test('a run with a conclusion is completed, and its file has no ref', () => {
  const [payload = {}] = examples('workflow_run');
  const done = changed(payload, {
    'workflow_run.conclusion': 'success',
    'workflow_run.path': '.github/workflows/build-images.yml@refs/heads/main',
  });
  expect(told('workflow_run', done)).toMatchObject({
    run: { state: 'completed', conclusion: 'success', path: '.github/workflows/build-images.yml' },
  });
});

test('a payload with fields of another type is refused with their names', () => {
  const reading = readPayload('workflow_job', changed(queued, { 'workflow_job.labels': 'x', 'workflow_job.id': -1 }));
  expect(reading).toMatchObject({ ok: false });
  expect(!reading.ok && reading.problem).toMatch(/workflow_job\.id .*; workflow_job\.labels /);
});
