import type { CronEntry } from './cron.ts';
import type { GivenInputs } from './dispatch.ts';
import type { Value } from './expression/expression.ts';
import type { RunId } from './job.ts';
import type { EventName, RepoRef, TrustClass } from './run.ts';

/** One HTTP request from the forge, as it was received and verified. Kept whole for replay until its runs are final. */
export interface Delivery {
  /** `X-GitHub-Delivery`; a redelivery carries the same one. */
  readonly id: string;
  readonly event: string;
  readonly body: Uint8Array;
  readonly receivedAt: Date;
  readonly verdict: DeliveryVerdict;
  /** Why it was ignored or rejected; null when it was accepted. */
  readonly note: string | null;
}

export type DeliveryVerdict = 'accepted' | 'ignored' | 'rejected';

/** What a delivery asks for, reduced to the fields Hearth acts on. Every text in it comes from outside. */
export type IntakeRequest =
  /** There is a new head to run pipelines at. */
  | ({
      readonly kind: 'head';
      readonly eventName: EventName;
      readonly sha: string;
      readonly trust: TrustClass;
      /** For expressions. */
      readonly event: Value;
    } & Target)
  /** Somebody, or the clock, asks for runs: which commit they are at is found out when they are planned. */
  | ({ readonly kind: 'asked'; readonly eventName: 'workflow_dispatch' | 'schedule'; readonly asked: Asked } & Target)
  /** Somebody wants a fork's commit to run; whether that person may say so is asked of the forge when it is planned. */
  | ({
      readonly kind: 'approval';
      readonly eventName: 'pull_request';
      /** As it was written: a sha, or something else that names no commit. */
      readonly commit: string;
      readonly person: { readonly id: number; readonly login: string };
    } & Target)
  /** The pull request was closed or the branch deleted: its live runs are over. */
  | ({ readonly kind: 'gone'; readonly eventName: EventName; readonly because: string } & Target);

export interface Asked {
  /** As it was written: `main`, `v1`, or `refs/…` in full. */
  readonly ref: string;
  /** A commit on that ref; null = the newest. */
  readonly sha: string | null;
  /** null = all that take the event. */
  readonly pipeline: string | null;
  readonly inputs: GivenInputs;
  /** The time that came; null when a person asks. */
  readonly time: CronEntry | null;
}

export interface Target {
  readonly repo: RepoRef;
  /** `refs/heads/…` or `refs/tags/…` of the head repository; a pull request's is that of its head branch. */
  readonly headRef: string;
  /** null when the fork was deleted. */
  readonly headRepoId: number | null;
  readonly prNumber: number | null;
  /** Base branch of a pull request without prefix, else null. */
  readonly baseRef: string | null;
  /** Without prefix. */
  readonly defaultBranch: string;
  readonly actor: string;
}

export type Intake = IntakeRequest & {
  /** Grows in order of receipt. */
  readonly id: number;
  readonly deliveryId: string;
  readonly receivedAt: Date;
  /** How often planning was tried and failed for a reason that may pass. */
  readonly tries: number;
};

export interface KnownRepo {
  readonly repo: RepoRef;
  /** Without prefix. */
  readonly defaultBranch: string;
}

export interface IntakeState {
  readonly intake: Intake;
  readonly isPlanned: boolean;
  /** What the planner had to say, or why it puts the intake off. */
  readonly note: string | null;
  readonly runs: readonly RunId[];
}
