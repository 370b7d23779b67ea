/** What the runners of a pool have done, as the forge would have counted it. Pure. */

/** Name of the workflow that ci/github/build-images.yml holds. */
export const IMAGES_WORKFLOW = 'build-images';

/** GitHub rounds each job up to a whole minute: https://docs.github.com/en/billing/concepts/product-billing/github-actions */
export function billedMinutes(ms: number): number {
  return Math.ceil(ms / 60_000);
}
