/** Reads a program's settings from the environment: all problems at once, each with the name of its variable. */
import { z } from 'zod';

/** Settings that are wrong. The message is for whoever starts the program and names every variable. */
export class BadSettings extends Error {
  override readonly name = 'BadSettings';
}

/** Empty counts as not set, as compose files write it. Throws BadSettings. */
export function readSettings<T extends z.ZodRawShape>(shape: T, env: NodeJS.ProcessEnv): z.output<z.ZodObject<T>> {
  const given = Object.fromEntries(Object.keys(shape).map((name) => [name, env[name] === '' ? undefined : env[name]]));
  const result = z.object(shape).safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `  ${path.join('.')}: ${message}`);
  throw new BadSettings(`Settings that need a correction:\n${problems.join('\n')}`);
}

/** A whole number in the environment. */
export function numberSetting(low: number, high: number): z.ZodType<number> {
  return z.coerce.number().pipe(z.int().min(low).max(high));
}

/** A WebSocket or HTTP address. */
export function urlSetting(...schemes: readonly string[]): z.ZodType<string> {
  const isGood = (text: string): boolean => URL.canParse(text) && schemes.includes(new URL(text).protocol);
  return z.string('is missing').refine(isGood, `must be an address with ${schemes.join(' or ')}`);
}
