// Set-up of the other platform.
import { expect, it } from 'vitest';
import { scriptedMachine, type ScriptedMachine } from '../support/scripted-machine.ts';

function machine(docker: string, ...path: readonly string[]): ScriptedMachine {
  return scriptedMachine(docker, { args: ['--other-platform'], path });
}

/** Answers of an amd64 engine that has all there is to have; `more` goes first. */
function engine(more = ''): string {
  return `case "$*" in
    ${more}
    'version --format {{.Server.Arch}}') echo amd64 ;;
    version*) echo 20.10.24 ;;
    'image inspect --format {{.Architecture}} arm64v8/debian:bookworm-slim') echo arm64 ;;
    run*) echo aarch64 ;;
  esac`;
}

it('a machine that runs the other platform is asked by a real container, and changed in nothing', async () => {
  const { setUp, log } = machine(engine());
  const finished = await setUp();
  expect(finished.stderr).toMatch(
    /\nhearth set-up: ready: linux\/arm64, arm64v8\/debian:bookworm-slim \(\d+\.\d s\)\n$/,
  );
  expect(finished.code).toBe(0);
  expect(log()).not.toContain('pull');
  expect(log()).toContain('run --rm --network none --platform linux/arm64 arm64v8/debian:bookworm-slim uname -m\n');
});

it('an arm64 engine gets the base image of amd64', async () => {
  const answers = `'version --format {{.Server.Arch}}') echo arm64 ;; *amd64/*) [ $1 = run ] && echo x86_64 || echo amd64 ;;`;
  const finished = await machine(engine(answers)).setUp();
  expect(finished.stderr).toContain('ready: linux/amd64, amd64/debian:bookworm-slim');
});

it('an image of that name but of this architecture is replaced from the registry', async () => {
  const { setUp, log } = machine(
    engine(`'image inspect --format'*) [ -e "$0.pulled" ] && echo arm64 || echo amd64 ;; pull*) echo >"$0.pulled" ;;`),
  );
  const finished = await setUp();
  expect(finished.code).toBe(0);
  expect(log()).toContain('pull --platform linux/arm64 arm64v8/debian:bookworm-slim\n');
});

it('containers that answer as the wrong machine are not taken for the other platform', async () => {
  const { setUp } = machine(engine('run*) echo x86_64 ;;'));
  const finished = await setUp({ DOCKER_HOST: 'tcp://192.0.2.1:2375' });
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain('cannot run containers of linux/arm64: uname -m says x86_64');
});

it('an emulator is never registered here for an engine that is elsewhere', async () => {
  const { setUp } = machine(engine('run*) echo "exec format error" >&2; exit 1 ;;'));
  const finished = await setUp({ DOCKER_HOST: 'tcp://192.0.2.1:2375' });
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain(
    'DOCKER_HOST=tcp://192.0.2.1:2375 cannot run containers of linux/arm64: exec format',
  );
  expect(finished.stderr).toContain('→ Install qemu-user-static on the machine of that engine');
});

it('a base image that can be neither pulled nor made is told with both reasons', async () => {
  const { setUp } = machine(
    engine(`'image inspect --format {{.Architecture}}'*) exit 1 ;;
    pull*) echo "no route to host" >&2; exit 1 ;;
    run*) cat >/dev/null; echo "E: no such mirror" >&2; exit 100 ;;`),
    '/bin',
  );
  const finished = await setUp();
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain('no registry gave it (no route to host), making it of Debian packages');
  expect(finished.stderr).toContain('arm64v8/debian:bookworm-slim could not be made');
  expect(finished.stderr).toContain('E: no such mirror\n→ Check that containers reach the package mirror');
});
