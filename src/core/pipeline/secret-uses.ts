/** `secrets` of a job: which secrets it gets, and how. */
import { z } from 'zod';
import { secretsUsed } from '../expression/expression-syntax.ts';

export interface SecretUse {
  /** In upper case: as on GitHub, secrets are the same in any case. */
  readonly name: string;
  /** Name of the variable that holds it, or the path of the file it is in; null = only expressions see it. */
  readonly variable: string | null;
  readonly isFile: boolean;
  /** The job runs without it, and finds it empty. */
  readonly isOptional: boolean;
}

const NAME_FAULT = 'must be the name of a secret: letters, digits and "_"; the first a letter or "_"';
export const secretName = z.string({ error: NAME_FAULT }).regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, { error: NAME_FAULT });

const mapping = z.strictObject({
  name: secretName.describe('The secret.'),
  as: z
    .enum(['variable', 'file'], { error: 'must be variable or file' })
    .optional()
    .describe('`file`: its text lies in a file in memory, and the variable holds the path. Default `variable`.'),
  variable: secretName.optional().describe('Name of the variable. Default: the name of the secret.'),
  optional: z
    .boolean({ error: 'must be true or false' })
    .optional()
    .describe('The job runs also where the secret is not given, with an empty variable. Default false.'),
});

export const secretUseKeys = Object.keys(mapping.shape);

export const secretUses = z.array(z.union([secretName, mapping], { error: `${NAME_FAULT}, or a mapping with name` }), {
  error: 'must be a list of secrets',
});

/** What the job names in `secrets`, and what its templates name in expressions. */
export function usesOf(
  input: z.output<typeof secretUses> | undefined,
  templates: readonly string[],
): readonly SecretUse[] {
  const given = (input ?? []).map((use): SecretUse => {
    const { name, as = 'variable', variable = name, optional = false } = typeof use === 'string' ? { name: use } : use;
    return { name: name.toUpperCase(), variable, isFile: as === 'file', isOptional: optional };
  });
  const named = new Set(templates.flatMap((text) => [...secretsUsed(text)]));
  for (const { name } of given) named.delete(name);
  const rest = [...named].map((name): SecretUse => ({ name, variable: null, isFile: false, isOptional: false }));
  return [...given, ...rest];
}
