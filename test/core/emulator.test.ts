import { describe, expect, it } from 'vitest';
import { ARM64, type Entry } from '../../src/core/binfmt.ts';
import { commandOf, nextRepair, reasonOf, type EmulatorState, type RepairStep } from '../../src/core/emulator.ts';

const EMULATOR = '/usr/bin/qemu-aarch64-static';
const entry: Entry = { name: 'qemu-aarch64', isEnabled: true, interpreter: EMULATOR, flags: 'POF' };

function state(entries: readonly Entry[], changes: Partial<EmulatorState> = {}): EmulatorState {
  return { registry: { isSwitchedOn: true, entries }, emulator: EMULATOR, ...changes };
}

function next(given: EmulatorState): RepairStep | undefined {
  return nextRepair(given, ARM64);
}

describe('what a machine lacks', () => {
  it('is nothing when an emulator is registered for all containers', () => {
    expect(next(state([entry]))).toBeUndefined();
    // Opened when it was registered, it works though its file is gone.
    expect(next(state([entry], { emulator: null }))).toBeUndefined();
  });

  it('is told in the order in which it can be mended', () => {
    expect(next({ registry: null, emulator: null })).toEqual({ kind: 'mount' });
    expect(next({ registry: { isSwitchedOn: false, entries: [entry] }, emulator: null })).toEqual({
      kind: 'switch-on',
    });
    expect(next(state([], { emulator: null }))).toEqual({ kind: 'install' });
    expect(next(state([]))).toMatchObject({ kind: 'register', name: 'hearth-aarch64', replaces: false });
  });

  it('is to enable what somebody disabled, the own one first', () => {
    const disabled = { ...entry, isEnabled: false };
    expect(next(state([disabled]))).toEqual({ kind: 'enable', name: 'qemu-aarch64' });
    expect(next(state([disabled, { ...disabled, name: 'hearth-aarch64' }]))).toEqual({
      kind: 'enable',
      name: 'hearth-aarch64',
    });
  });

  it('is an entry of its own beside one that looks for the emulator inside of the container', () => {
    const local = { ...entry, flags: '' };
    expect(next(state([local]))).toMatchObject({ kind: 'register', replaces: false });
  });

  it('is a new entry in the place of an own one for an emulator that has moved', () => {
    const old = { ...entry, name: 'hearth-aarch64', interpreter: '/opt/old/qemu' };
    expect(next(state([old]))).toMatchObject({ kind: 'register', replaces: true });
    expect(next(state([{ ...old, name: 'theirs' }]))).toBeUndefined();
  });
});

it('each step has a reason and the command that a person types', () => {
  const at = '/proc/sys/fs/binfmt_misc';
  const steps: readonly RepairStep[] = [
    { kind: 'mount' },
    { kind: 'switch-on' },
    { kind: 'enable', name: 'qemu-aarch64' },
    { kind: 'install' },
    { kind: 'register', name: 'hearth-aarch64', line: ':a:M::\\x7f:\\xff:/q:FO', replaces: false },
    { kind: 'register', name: 'hearth-aarch64', line: ':a:M::\\x7f:\\xff:/q:FO', replaces: true },
  ];
  expect(steps.map((step) => commandOf(step, at))).toEqual([
    `sudo mount -t binfmt_misc binfmt_misc ${at}`,
    `echo 1 | sudo tee ${at}/status`,
    `echo 1 | sudo tee ${at}/qemu-aarch64`,
    'sudo apt-get update && sudo apt-get install -y --no-install-recommends qemu-user-static',
    `printf %s ':a:M::\\x7f:\\xff:/q:FO' | sudo tee ${at}/register`,
    `echo -1 | sudo tee ${at}/hearth-aarch64 && printf %s ':a:M::\\x7f:\\xff:/q:FO' | sudo tee ${at}/register`,
  ]);
  expect(steps.map(reasonOf)).toEqual([
    'its binfmt_misc is not mounted',
    'its binfmt_misc is switched off',
    'its emulator is registered as qemu-aarch64 and disabled',
    'it has no emulator (qemu-user-static)',
    'its emulator is not registered with the kernel',
    'its emulator is not registered with the kernel',
  ]);
});
