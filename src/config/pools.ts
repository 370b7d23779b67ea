/** `pools` of the settings file; the variable HEARTH_POOLS holds the same as YAML or JSON text. */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { parsePool } from '../core/pool/pool-schema.ts';
import type { Pool } from '../core/pool/pool.ts';

const HELP = 'must be a mapping from the names of pools to what they are';

export const pools = z
  .union([z.string(), z.record(z.string(), z.unknown())], { error: HELP })
  .transform((written, context): readonly Pool[] => {
    const map = typeof written === 'string' ? mapIn(written) : written;
    if (map === undefined) {
      context.addIssue(HELP);
      return z.NEVER;
    }
    return Object.entries(map).flatMap(([name, one]) => {
      const parsed = parsePool(name, one);
      if (parsed.ok) return [parsed.value];
      for (const fault of parsed.problem) context.addIssue(`(${name}): ${fault}`);
      return [];
    });
  });

function mapIn(text: string): Readonly<Record<string, unknown>> | undefined {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) return undefined;
  const value: unknown = document.toJS();
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
