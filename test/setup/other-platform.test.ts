// Set-up of the other platform.
import { describe, expect, it } from 'vitest';
import { otherPlatformOf, registrationOf } from '../../provision/setup/platforms.ts';
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

describe('the line for the kernel', () => {
  const platforms = { 183: otherPlatformOf('amd64'), 62: otherPlatformOf('arm64') };

  it.each(Object.entries(platforms))('takes programs of machine %s and no others', (number, platform) => {
    const [, , , , magic = '', mask = ''] = registrationOf('a', platform, '/usr/bin/qemu').split(':');
    const takes = (header: Buffer): boolean =>
      bytesOf(magic).every(
        (byte, at) => (byte & (bytesOf(mask)[at] ?? 0)) === ((header[at] ?? 0) & (bytesOf(mask)[at] ?? 0)),
      );
    for (const type of [2, 3]) expect(takes(elf({ type, machine: Number(number) }))).toBe(true);
    expect(takes(elf({ type: 2, machine: number === '62' ? 183 : 62 }))).toBe(false);
    expect(takes(elf({ type: 1, machine: Number(number) }))).toBe(false);
    expect(takes(Buffer.from('#!/bin/sh\necho hello, this is a script\n'))).toBe(false);
  });

  it('has the interpreter opened once, for all containers, and told argv[0] only where it expects that', () => {
    const other = otherPlatformOf('x64');
    expect(registrationOf('a', other, '/usr/bin/qemu-aarch64-static')).toMatch(
      /^:a:M::.*:\/usr\/bin\/qemu-aarch64-static:FO$/,
    );
    expect(registrationOf('a', other, '/usr/libexec/qemu-binfmt/aarch64-binfmt-P')).toMatch(/-binfmt-P:FPO$/);
  });
});

function bytesOf(escaped: string): readonly number[] {
  return [...escaped.matchAll(/\\x([0-9a-f]{2})|([^\\])/g)].map(([, hex, plain = '']) =>
    hex === undefined ? plain.charCodeAt(0) : Number.parseInt(hex, 16),
  );
}

/** The first twenty bytes of a program: 64 bit, little endian. */
function elf({ type, machine }: { readonly type: number; readonly machine: number }): Buffer {
  const header = Buffer.alloc(20);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(type, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}
