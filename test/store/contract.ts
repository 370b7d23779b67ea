/** What every store promises, whatever engine is behind it, as a function of "open an empty store". */
import { describe } from 'vitest';
import { approvalContract } from './contract/approvals.ts';
import { cancelContract } from './contract/cancel.ts';
import { durationContract } from './contract/durations.ts';
import { intakeContract } from './contract/intakes.ts';
import { jobContract } from './contract/jobs.ts';
import { leaseContract } from './contract/leases.ts';
import { outboxContract } from './contract/outbox.ts';
import { planContract } from './contract/plans.ts';
import { readContract } from './contract/reads.ts';
import { rerunContract } from './contract/reruns.ts';
import { publicationContract } from './contract/publications.ts';
import { resultContract } from './contract/results.ts';
import { reuseContract } from './contract/reuse.ts';
import { secretContract } from './contract/secrets.ts';
import { statusContract } from './contract/statuses.ts';
import { timetableContract } from './contract/timetable.ts';
import { poolContract } from './contract/pools.ts';
import { dispatchContract } from './contract/dispatches.ts';
import { workflowContract } from './contract/workflows.ts';
import type { OpenEmptyStore } from './fresh-store.ts';

export function storeContract(name: string, open: OpenEmptyStore): void {
  describe(name, () => {
    intakeContract(open);
    planContract(open);
    jobContract(open);
    cancelContract(open);
    approvalContract(open);
    leaseContract(open);
    statusContract(open);
    outboxContract(open);
    readContract(open);
    secretContract(open);
    publicationContract(open);
    resultContract(open);
    rerunContract(open);
    reuseContract(open);
    timetableContract(open);
    durationContract(open);
    dispatchContract(open);
    workflowContract(open);
    poolContract(open);
  });
}
