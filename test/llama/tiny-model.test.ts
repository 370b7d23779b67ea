import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { tinyModel } from '../../ci/llama/tiny-model.ts';

describe('the tiny model', () => {
  const bytes = Buffer.from(tinyModel());

  it('is the same on every machine', () => {
    const hash = createHash('sha256').update(bytes).digest('hex');
    expect(hash).toBe('eedd671cfbb85ae2c82e09b9e83c34f4f9d53315d3f2c99e0e44a8566bed86c2');
  });

  it('is another with another seed, of the same size', () => {
    const other = Buffer.from(tinyModel(2));
    expect(other.equals(bytes)).toBe(false);
    expect(other.length).toBe(bytes.length);
  });

  it('is a GGUF file of about half a megabyte that ends with its last tensor', () => {
    expect(bytes.toString('latin1', 0, 4)).toBe('GGUF');
    expect(bytes.readUInt32LE(4)).toBe(3);
    expect(bytes.length).toBeGreaterThan(400_000);
    expect(bytes.length).toBeLessThan(700_000);
    expect(bytes.length % 32).toBe(0);
    const [tensors, weights] = [
      Number(bytes.readBigUInt64LE(8)),
      2 * 259 * 64 + 5 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 192),
    ];
    expect(tensors).toBe(21);
    // Every weight has four bytes, and the end of the file is the end of the weights.
    expect(bytes.subarray(-weights * 4).readFloatLE(0)).not.toBe(0);
  });

  it('writes numbers that are finite and not all alike', () => {
    const last = new Set(Array.from({ length: 1000 }, (_, index) => bytes.readFloatLE(bytes.length - 4 * (index + 1))));
    expect(last.size).toBeGreaterThan(900);
    expect([...last].every((value) => Number.isFinite(value) && Math.abs(value) <= 0.5)).toBe(true);
  });
});
