/** Programs of other systems, told by their first bytes: macOS and Windows. Pure. */
import { readWhole, type ByteSource } from './bytes.ts';

/** A word for each processor that the file has code for. */
export interface Foreign {
  readonly kind: 'mach-o' | 'pe';
  readonly processors: readonly string[];
}

/** A fat file with more is none; Java's class files begin with the same four bytes and a larger number. */
const MOST_PARTS = 40;

const machProcessors: Readonly<Record<number, string>> = {
  ...{ 0x7: 'i386', 0x1000007: 'x86_64', 0xc: 'arm', 0x100000c: 'arm64', 0x200000c: 'arm64_32' },
  ...{ 0x12: 'ppc', 0x1000012: 'ppc64' },
};
const peMachines: Readonly<Record<number, string>> = {
  ...{ 0x14c: 'i386', 0x8664: 'x86-64', 0xaa64: 'arm64', 0x1c0: 'arm', 0x1c4: 'arm', 0x5064: 'riscv64' },
};

/** Undefined for what is neither. A file that ends early is told by what is there of it. */
export async function readForeign(source: ByteSource, head: Uint8Array): Promise<Foreign | undefined> {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < 4) return undefined;
  switch (view.getUint32(0)) {
    case 0xfeedface:
    case 0xfeedfacf:
      return { kind: 'mach-o', processors: [machProcessor(head.length < 8 ? undefined : view.getUint32(4))] };
    case 0xcefaedfe:
    case 0xcffaedfe:
      return { kind: 'mach-o', processors: [machProcessor(head.length < 8 ? undefined : view.getUint32(4, true))] };
    case 0xcafebabe:
      return fat(source, head, 20);
    case 0xcafebabf:
      return fat(source, head, 32);
    default:
      return head[0] === 0x4d && head[1] === 0x5a ? portable(source, view) : undefined;
  }
}

async function fat(source: ByteSource, head: Uint8Array, entry: number): Promise<Foreign | undefined> {
  const count = head.length < 8 ? 0 : new DataView(head.buffer, head.byteOffset).getUint32(4);
  if (count === 0 || count > MOST_PARTS) return undefined;
  const parts = await readWhole(source, 8, count * entry);
  if (parts === undefined) return { kind: 'mach-o', processors: [machProcessor(undefined)] };
  const view = new DataView(parts.buffer, parts.byteOffset);
  return {
    kind: 'mach-o',
    processors: Array.from({ length: count }, (_, at) => machProcessor(view.getUint32(at * entry))),
  };
}

async function portable(source: ByteSource, view: DataView): Promise<Foreign> {
  const at = view.byteLength < 64 ? undefined : view.getUint32(0x3c, true);
  const head = at === undefined ? undefined : await readWhole(source, at, 6);
  const isPe = head?.[0] === 0x50 && head[1] === 0x45 && head[2] === 0 && head[3] === 0;
  if (head === undefined || !isPe) return { kind: 'pe', processors: [] };
  const machine = new DataView(head.buffer, head.byteOffset).getUint16(4, true);
  return { kind: 'pe', processors: [peMachines[machine] ?? `machine ${machine}`] };
}

function machProcessor(number: number | undefined): string {
  return number === undefined ? 'cut off in its header' : (machProcessors[number] ?? `processor ${number}`);
}
