/** A status in the outbox, with every field filled in. */
import type { OutgoingStatus } from '../../src/core/ports.ts';

export function makeStatus(changes: Partial<OutgoingStatus> = {}): OutgoingStatus {
  return {
    id: 1,
    version: 1,
    context: 'hearth/ci/build',
    state: 'pending',
    description: 'queued',
    rank: 4,
    repo: { id: 10, owner: 'octo', name: 'hello' },
    sha: 'a'.repeat(40),
    runId: 1,
    job: 'build',
    workflowUrl: null,
    failures: 0,
    desiredAt: new Date(0),
    ...changes,
  };
}
