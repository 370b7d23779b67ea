/** Results that other jobs may take over, as store and worker speak of them; reuse.ts decides. */
import type { JobOrigin } from './job.ts';
import type { Evidence } from './outcome.ts';

/** An earlier success that has the same key. */
export interface Reusable {
  readonly from: JobOrigin;
  readonly outputs: Readonly<Record<string, string>>;
  readonly evidence: Evidence;
}

/** What the end of an attempt means for others with the same key. */
export type Reuse =
  /** It ran; when it succeeded, its result may be taken over from now on. */
  | { readonly kind: 'ran'; readonly key: string }
  /** It did not run: this earlier result stands for it. */
  | { readonly kind: 'taken'; readonly key: string; readonly from: JobOrigin }
  /** It ran as an audit and came to something else: nobody may take over what stands under the key. */
  | { readonly kind: 'contradicted'; readonly key: string };
