import type { ColumnWords } from '../engine.ts';

export interface Migration {
  /** Counts from 1 without gaps. */
  readonly number: number;
  readonly name: string;
  statements(words: ColumnWords): readonly string[];
}
