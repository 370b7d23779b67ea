/** What a machine lacks before its kernel runs programs of another one, a step at a time. Pure. */
import { EMULATOR_PACKAGE, entryNameOf, registrationOf, type Entry, type Machine } from './binfmt.ts';
import { unreachable } from './result.ts';

/** What was found on the machine of the engine. */
export interface EmulatorState {
  /** null = binfmt_misc is not mounted. */
  readonly registry: Registry | null;
  /** The emulator's program; null = it is not installed. */
  readonly emulator: string | null;
}

export interface Registry {
  readonly isSwitchedOn: boolean;
  /** Those that programs of the machine are for. */
  readonly entries: readonly Entry[];
}

export type RepairStep =
  | { readonly kind: 'mount' }
  | { readonly kind: 'switch-on' }
  | { readonly kind: 'enable'; readonly name: string }
  | { readonly kind: 'install' }
  /** `replaces`: an entry of that name is there and is another one. */
  | { readonly kind: 'register'; readonly name: string; readonly line: string; readonly replaces: boolean };

/** The next thing to do; undefined when nothing is missing that can be seen. Entries of others are never removed. */
export function nextRepair({ registry, emulator }: EmulatorState, machine: Machine): RepairStep | undefined {
  if (registry === null) return { kind: 'mount' };
  if (!registry.isSwitchedOn) return { kind: 'switch-on' };
  const name = entryNameOf(machine);
  // One of Hearth's own that was made when the emulator lay elsewhere.
  const isOutdated = (entry: Entry): boolean =>
    entry.name === name && emulator !== null && entry.interpreter !== emulator;
  // Without F the interpreter is looked for inside of each container, where it is not.
  const usable = registry.entries.filter(({ flags }) => flags.includes('F')).filter((entry) => !isOutdated(entry));
  if (usable.some(({ isEnabled }) => isEnabled)) return undefined;
  const disabled = usable.find((entry) => entry.name === name) ?? usable[0];
  if (disabled !== undefined) return { kind: 'enable', name: disabled.name };
  if (emulator === null) return { kind: 'install' };
  const replaces = registry.entries.some((entry) => entry.name === name);
  return { kind: 'register', name, line: registrationOf(name, machine, emulator), replaces };
}

/** What a person types to do the same. */
export function commandOf(step: RepairStep, registry: string): string {
  switch (step.kind) {
    case 'mount':
      return `sudo mount -t binfmt_misc binfmt_misc ${registry}`;
    case 'switch-on':
      return `echo 1 | sudo tee ${registry}/status`;
    case 'enable':
      return `echo 1 | sudo tee ${registry}/${step.name}`;
    case 'install':
      return `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${EMULATOR_PACKAGE}`;
    case 'register': {
      const remove = step.replaces ? `echo -1 | sudo tee ${registry}/${step.name} && ` : '';
      return `${remove}printf %s '${step.line}' | sudo tee ${registry}/register`;
    }
    default:
      return unreachable(step);
  }
}

/** Why containers do not run, as the part of a sentence. */
export function reasonOf(step: RepairStep): string {
  switch (step.kind) {
    case 'mount':
      return 'its binfmt_misc is not mounted';
    case 'switch-on':
      return 'its binfmt_misc is switched off';
    case 'enable':
      return `its emulator is registered as ${step.name} and disabled`;
    case 'install':
      return `it has no emulator (${EMULATOR_PACKAGE})`;
    case 'register':
      return 'its emulator is not registered with the kernel';
    default:
      return unreachable(step);
  }
}
