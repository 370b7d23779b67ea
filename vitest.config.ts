import { defineConfig } from 'vitest/config';
import { laneReporter } from './provision/testing/lane-reporter.ts';
import { LANES } from './provision/testing/lanes.ts';

const reportFile = process.env['HEARTH_LANE_REPORT'];

export default defineConfig({
  test: {
    // Tests wait for disks and processes more than they compute; by default one core would be left idle.
    maxWorkers: 4,
    reporters: reportFile === undefined ? ['default'] : ['default', laneReporter(reportFile)],
    projects: LANES.map((lane) => ({
      test: {
        name: lane.name,
        include: [...lane.include],
        exclude: ['**/node_modules/**', ...lane.exclude],
        globalSetup: [
          ...(lane.docker ? ['provision/testing/global-set-up.ts'] : []),
          ...(lane.otherPlatform ? ['provision/testing/other-platform-set-up.ts'] : []),
        ],
        fileParallelism: !lane.docker,
        // No test mocks modules, and a fresh module graph per file costs a fifth of this lane's time.
        isolate: lane.docker,
        testTimeout: lane.docker ? 120_000 : 10_000,
        hookTimeout: lane.docker ? 120_000 : 10_000,
        // A state that is waited for: long enough for a busy machine, looked at often.
        expect: { poll: { timeout: lane.docker ? 60_000 : 5_000, interval: 25 } },
        allowOnly: false,
      },
    })),
  },
});
