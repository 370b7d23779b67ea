import { describe, expect, it } from 'vitest';
import { readProgress } from '../../../src/core/image/build-progress.ts';

function after(text: string) {
  const progress = readProgress();
  for (const line of text.split('\n')) progress.see(line);
  return progress;
}

describe("BuildKit's progress", () => {
  it('tells steps of the Dockerfile and which of them were cached', () => {
    const { layers, failure } = after(`#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [build 1/3] FROM docker.io/hearth/base:0a26
#4 CACHED
#6 [build 2/3] COPY gen/file /file
#6 CACHED
#7 [build 3/3] RUN make
#7 0.353 #8 CACHED
#7 DONE 0.5s
#8 [2/2] WORKDIR /x
#8 DONE 0.0s
#9 exporting to image
#9 DONE 0.0s`);
    expect(layers).toEqual({ total: 3, cached: 1 });
    expect(failure).toBeNull();
  });

  it.each([
    ['#5 ERROR: executor failed running [/bin/sh -c exit 7]: exit code: 7', 7],
    ['#5 ERROR: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7', 7],
    ['#5 ERROR: failed to compute cache key: "/nope" not found: not found', null],
  ])('tells the step that failed: %s', (line, exitCode) => {
    const { failure } = after(`#5 [build 2/2] RUN exit 7\n#5 0.1 text\n${line}`);
    expect(failure).toEqual({ step: '[build 2/2] RUN exit 7', exitCode });
  });

  it('of a failure outside of all steps knows nothing', () => {
    expect(
      after('#3 [internal] load metadata for docker.io/library/x:1\n#3 ERROR: pull access denied').failure,
    ).toBeNull();
  });
});
