import { describe, expect, it } from 'vitest';
import type { WorkflowJob, WorkflowRun } from '../../../src/core/workflow.ts';
import { freshStore, type OpenEmptyStore } from '../fresh-store.ts';
import { delivery } from '../support.ts';

const repo = { id: 7, owner: 'octo', name: 'app' };

export function workflowJob(more: Partial<WorkflowJob> = {}): WorkflowJob {
  return {
    ...{ id: 11, repo, runId: 5, attempt: 1, workflow: 'build', name: 'one', url: 'https://x.test/11' },
    ...{ headSha: 'a'.repeat(40), labels: ['self-hosted', 'X64'], state: 'queued', conclusion: null, runner: null },
    ...{ createdAt: new Date(1000), startedAt: null, completedAt: null },
    ...more,
  };
}

function workflowRun(more: Partial<WorkflowRun> = {}): WorkflowRun {
  return {
    ...{ id: 5, repo, attempt: 1, event: 'workflow_dispatch', headSha: 'a'.repeat(40), headBranch: 'main' },
    ...{ path: '.github/workflows/build.yml', title: 'build', url: 'https://x.test/5', state: 'queued' },
    ...{ conclusion: null, createdAt: new Date(1000) },
    ...more,
  };
}

export function workflowContract(open: OpenEmptyStore): void {
  describe("GitHub's own workflows", () => {
    const store = freshStore(open);
    const at = new Date(5000);
    const states = async () => (await store().workflowRun(5)).jobs.map(({ state }) => state);

    it('keeps what a delivery tells of a job, together with the delivery', async () => {
      const done = await store().recordDelivery(delivery('d1'), null, { kind: 'job', job: workflowJob() });
      expect(done).toBe('new');
      expect(await store().workflowRun(5)).toEqual({ run: null, jobs: [workflowJob()] });
    });

    it('a delivery that is known tells nothing again', async () => {
      await store().recordDelivery(delivery('d1'), null, { kind: 'job', job: workflowJob() });
      const later = workflowJob({ state: 'in_progress' });
      expect(await store().recordDelivery(delivery('d1'), null, { kind: 'job', job: later })).toBe('duplicate');
      expect(await states()).toEqual(['queued']);
    });

    it('refuses news of a delivery that was rejected', async () => {
      const rejected = delivery('d1', { verdict: 'rejected' });
      await expect(store().recordDelivery(rejected, null, { kind: 'job', job: workflowJob() })).rejects.toThrow(
        'must not ask for work',
      );
    });

    it('never goes back to an earlier state, in whatever order deliveries arrive', async () => {
      const done = workflowJob({ state: 'completed', conclusion: 'success', completedAt: new Date(9000) });
      const running = workflowJob({ state: 'in_progress', runner: 'hearth-a', startedAt: new Date(4000) });
      await store().recordWorkflowNews([{ kind: 'job', job: running }], at);
      await store().recordWorkflowNews([{ kind: 'job', job: workflowJob() }], at);
      expect(await states()).toEqual(['in_progress']);
      await store().recordWorkflowNews([{ kind: 'job', job: done }], at);
      await store().recordWorkflowNews([{ kind: 'job', job: running }], at);
      expect((await store().workflowRun(5)).jobs).toEqual([{ ...done, runner: 'hearth-a', startedAt: new Date(4000) }]);
    });

    it('a run that is tried again begins anew, and shows the jobs of its newest attempt', async () => {
      const failed = workflowRun({ state: 'completed', conclusion: 'failure' });
      const again = workflowRun({ attempt: 2, state: 'queued' });
      const second = workflowJob({ id: 12, attempt: 2 });
      await store().recordWorkflowNews(
        [
          { kind: 'run', run: failed },
          { kind: 'job', job: workflowJob() },
        ],
        at,
      );
      await store().recordWorkflowNews([{ kind: 'run', run: again }], at);
      await store().recordWorkflowNews([{ kind: 'run', run: failed }], at);
      expect(await store().workflowRun(5)).toEqual({ run: again, jobs: [] });
      await store().recordWorkflowNews([{ kind: 'job', job: second }], at);
      expect(await store().workflowRun(5)).toEqual({ run: again, jobs: [second] });
    });

    it('knows nothing of a run that was never heard of', async () => {
      expect(await store().workflowRun(99)).toEqual({ run: null, jobs: [] });
    });
  });
}
