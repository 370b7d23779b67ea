import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';
import type { LaneReport } from './lane-report.ts';

/** A Vitest reporter that writes a LaneReport to `file`. Vitest's own JSON report leaves out why a test was skipped. */
export function laneReporter(file: string): Reporter {
  return {
    onTestRunEnd: (modules, unhandledErrors) => {
      writeFileSync(file, JSON.stringify(reportOf(modules, unhandledErrors.length)));
    },
  };
}

function reportOf(modules: readonly TestModule[], unhandledErrors: number): LaneReport {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  const unexplained: string[] = [];
  for (const module of modules) {
    failed += brokenOutsideTests(module);
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed += 1;
      else if (result.state === 'skipped') {
        skipped += 1;
        if (result.note === undefined) unexplained.push(test.fullName);
      } else failed += 1;
    }
  }
  return { passed, failed, skipped, unexplained };
}

/** Errors of the file itself or of a group's hooks: real failures that no test stands for. */
function brokenOutsideTests(module: TestModule): number {
  const broken = [module, ...module.children.allSuites()].filter((part) => part.errors().length > 0);
  return broken.length;
}
