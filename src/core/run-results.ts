import type { ArtifactOf } from './artifact.ts';
import type { ImageRecord } from './image/image-spec.ts';
import type { TestReport } from './junit.ts';
import type { LaneRecord } from './lane/lane-spec.ts';

/** What the jobs of a run left: of the newest attempt of each. */
export interface RunResults {
  readonly artifacts: readonly ArtifactOf[];
  /** By name of the job. */
  readonly tests: ReadonlyMap<string, TestReport>;
  /** By name of the job that built them. */
  readonly images: ReadonlyMap<string, ImageRecord>;
  /** By name of the job that runs as a workflow of GitHub. */
  readonly workflows: ReadonlyMap<string, LaneRecord>;
  /** Tests that both failed and passed at this commit, in whatever run or attempt. */
  readonly flaky: ReadonlySet<string>;
}
