// A language model of half a megabyte with random weights: enough for llama-server to load, answer and complete.
// `node tiny-model.ts FILE` writes it. The same seed gives the same bytes on every machine.
import { writeFileSync } from 'node:fs';

const WIDTH = 64;
const LAYERS = 2;
const HEADS = 4;
const INNER = 192;
/** Unknown, begin, end, and one token for each byte: any prompt can be written with them. */
const TOKENS = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`)];
/** llama.cpp's numbers for unknown, control and byte tokens. */
const KINDS = [2, 3, 3, ...Array.from({ length: 256 }, () => 6)];
const ALIGNMENT = 32;

type Tensor = { readonly name: string; readonly shape: readonly number[]; readonly values: Float32Array };

/** A GGUF file (version 3) of a model of the llama architecture whose weights are drawn from `seed`. */
export function tinyModel(seed = 1): Uint8Array {
  const tensors = tensorsOf(randomOf(seed));
  const described = [...metadata(), ...infosOf(tensors)];
  const head = concat([text('GGUF'), uint32(3), uint64(tensors.length), uint64(metadata().length), ...described]);
  return concat([padded(head), ...tensors.map(({ values }) => padded(littleEndian(values)))]);
}

function metadata(): readonly Uint8Array[] {
  const pair = (key: string, type: number, ...value: readonly Uint8Array[]): Uint8Array =>
    concat([string(key), uint32(type), ...value]);
  const number = (key: string, value: number): Uint8Array => pair(key, 4, uint32(value));
  const list = (key: string, type: number, values: readonly Uint8Array[]): Uint8Array =>
    pair(key, 9, uint32(type), uint64(values.length), ...values);
  return [
    pair('general.architecture', 8, string('llama')),
    pair('general.name', 8, string('hearth-tiny-random')),
    number('llama.context_length', 512),
    number('llama.embedding_length', WIDTH),
    number('llama.block_count', LAYERS),
    number('llama.feed_forward_length', INNER),
    number('llama.attention.head_count', HEADS),
    number('llama.rope.dimension_count', WIDTH / HEADS),
    pair('llama.attention.layer_norm_rms_epsilon', 6, float32(1e-5)),
    pair('tokenizer.ggml.model', 8, string('llama')),
    list('tokenizer.ggml.tokens', 8, TOKENS.map(string)),
    list(
      'tokenizer.ggml.scores',
      6,
      TOKENS.map(() => float32(0)),
    ),
    list('tokenizer.ggml.token_type', 5, KINDS.map(uint32)),
    number('tokenizer.ggml.unknown_token_id', 0),
    number('tokenizer.ggml.bos_token_id', 1),
    number('tokenizer.ggml.eos_token_id', 2),
    pair('tokenizer.ggml.add_space_prefix', 7, Uint8Array.of(0)),
  ];
}

function tensorsOf(random: () => number): readonly Tensor[] {
  // Wide enough that the best next token is clearly the best, whatever order an architecture adds numbers in.
  const matrix = (name: string, columns: number, rows: number): Tensor => ({
    name,
    shape: [columns, rows],
    values: Float32Array.from({ length: columns * rows }, () => (random() - 0.5) * (8 / Math.sqrt(columns))),
  });
  const norm = (name: string): Tensor => ({ name, shape: [WIDTH], values: new Float32Array(WIDTH).fill(1) });
  const block = (index: number): readonly Tensor[] => [
    norm(`blk.${index}.attn_norm.weight`),
    ...['q', 'k', 'v', 'output'].map((name) => matrix(`blk.${index}.attn_${name}.weight`, WIDTH, WIDTH)),
    norm(`blk.${index}.ffn_norm.weight`),
    matrix(`blk.${index}.ffn_gate.weight`, WIDTH, INNER),
    matrix(`blk.${index}.ffn_up.weight`, WIDTH, INNER),
    matrix(`blk.${index}.ffn_down.weight`, INNER, WIDTH),
  ];
  return [
    matrix('token_embd.weight', WIDTH, TOKENS.length),
    ...Array.from({ length: LAYERS }, (_, index) => block(index)).flat(),
    norm('output_norm.weight'),
    matrix('output.weight', WIDTH, TOKENS.length),
  ];
}

function infosOf(tensors: readonly Tensor[]): readonly Uint8Array[] {
  let offset = 0;
  return tensors.map(({ name, shape, values }) => {
    const at = offset;
    offset += Math.ceil(values.byteLength / ALIGNMENT) * ALIGNMENT;
    return concat([string(name), uint32(shape.length), ...shape.map(uint64), uint32(0), uint64(at)]);
  });
}

/** Mulberry32: numbers in [0, 1) by integer arithmetic alone, so they are the same on every architecture. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT);
  whole.set(bytes);
  return whole;
}

function littleEndian(values: Float32Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(values.byteLength));
  values.forEach((value, index) => bytes.setFloat32(index * 4, value, true));
  return new Uint8Array(bytes.buffer);
}

function string(value: string): Uint8Array {
  const bytes = text(value);
  return concat([uint64(bytes.length), bytes]);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function uint32(value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, value, true);
  return new Uint8Array(bytes.buffer);
}

function uint64(value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(bytes.buffer);
}

function float32(value: number): Uint8Array {
  return littleEndian(Float32Array.of(value));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    console.error('Usage: node tiny-model.ts FILE');
    process.exitCode = 2;
  } else {
    writeFileSync(file, tinyModel());
  }
}
