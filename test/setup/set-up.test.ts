// Set-up as a whole.
import { expect, it } from 'vitest';
import { scriptedMachine as machine } from '../support/scripted-machine.ts';

it('a machine that has everything is asked, changed in nothing and summed up in one line', async () => {
  const { setUp, log } = machine('echo 20.10.24');
  const finished = await setUp();
  expect(finished.code).toBe(0);
  expect(finished.stderr).toMatch(
    /^hearth set-up: ready: Docker 20\.10\.24, debian:bookworm-slim, cc \(\d+\.\d s\)\n$/,
  );
  expect(log()).toBe('version --format {{.Server.Version}}\nimage inspect debian:bookworm-slim\n');
});

it('a missing base image is pulled where a registry answers', async () => {
  const { setUp, log } = machine('case $1 in image) exit 1;; version) echo 28.2.2;; pull) echo Pulling;; esac');
  const finished = await setUp();
  expect(finished.stderr).toContain('hearth set-up: base image: asking the registry for debian:bookworm-slim … ');
  expect(log()).toContain('pull debian:bookworm-slim\n');
  expect(finished.code).toBe(0);
});

it('an engine that does not answer at DOCKER_HOST is never replaced by one started here', async () => {
  const { setUp } = machine('echo "Cannot connect to the Docker daemon" >&2; exit 1');
  const finished = await setUp({ DOCKER_HOST: 'tcp://192.0.2.1:2375' });
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain('No Docker engine answers at DOCKER_HOST=tcp://192.0.2.1:2375: Cannot connect');
  expect(finished.stderr).toContain('→ Start that engine, or unset DOCKER_HOST');
});

it('a user who may not talk to the engine is told how to be allowed', async () => {
  const { setUp } = machine('echo "permission denied while trying to connect" >&2; exit 1');
  const finished = await setUp();
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain('→ Run: sudo usermod -aG docker "$USER"');
  expect(finished.stderr).not.toContain('    at ');
});
