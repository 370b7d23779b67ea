import type { Value } from './expression.ts';
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
  /** The pull request was closed or the branch deleted: its live runs are over. */
  | ({ readonly kind: 'gone'; readonly eventName: EventName; readonly because: string } & Target);

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
