/** The sample project of the demo: small, but with phases, parallel jobs, a dependency layer and a needs edge. */

export function sampleProject({ fails }: { readonly fails: boolean }): Readonly<Record<string, string>> {
  return {
    '.hearth/main.yml': pipeline,
    'deps.lock': 'greeting 1.0.0\npunctuation 2.1.0\n',
    'src/hello.sh': '#!/bin/sh\n. ./vendor/greeting.sh\ngreet "${1:-world}"\n',
    'test/hello.test.sh': `set -eu\ntest "$(sh src/hello.sh Hearth)" = "Hello, Hearth${fails ? '?' : '!'}"\necho "1 test passed"\n`,
  };
}

const pipeline = `name: main
on: push

sidecar:
  image: debian:bookworm-slim

phases: [check, test, report]

# Installed once per content of deps.lock, then mounted into every job that names it.
cache:
  vendor:
    key: [deps.lock]
    paths: [vendor]
    install: |
      mkdir vendor
      while read -r name version; do echo "installing $name $version"; sleep 0.3; done < deps.lock
      echo 'greet() { echo "Hello, $1!"; }' > vendor/greeting.sh

jobs:
  syntax:
    phase: check
    run: for file in src/*.sh; do sh -n "$file"; done
  lockfile:
    phase: check
    run: grep -Ec '^[a-z]+ [0-9.]+$' deps.lock
  unit:
    phase: test
    cache: [vendor]
    run: sh test/hello.test.sh
  smoke:
    phase: test
    cache: [vendor]
    steps:
      - run: sh src/hello.sh > out.txt
      - run: grep -q Hello out.txt
  summary:
    phase: report
    run: echo "all of $GITHUB_SHA is well"
`;
