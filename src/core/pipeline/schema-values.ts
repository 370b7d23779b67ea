/** Values that occur in several places of a pipeline file. Every error text goes on after the name of the key. */
import { z } from 'zod';
import { insidePathFault } from './pipeline-paths.ts';
import { parseSize } from '../size.ts';

export const NAME_RULE = 'letters, digits, "_", "-" and "."; at most 100; the first a letter, a digit or "_"';
export const MAX_PARALLEL = 100;
export const MAX_TIMEOUT_MINUTES = 1440;
export const MAX_LINE = 200;

/** Names of jobs, caches and phases: they become status contexts, URLs and labels. */
export const safeName = z
  .string({ error: 'must be text' })
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/, { error: `must be made of ${NAME_RULE}. Rename it` })
  .meta({ id: 'name' });

export const line = z
  .string({ error: 'must be text' })
  .regex(new RegExp(`^(?=.*\\S)[^\\u0000-\\u001f\\u007f-\\u009f]{1,${MAX_LINE}}$`), {
    error: `must be one line of 1 to ${MAX_LINE} characters`,
  });

export const script = z
  .string({ error: 'must be text: the commands to run' })
  .check(checked((text) => (text.trim() === '' ? 'must not be empty. Write the commands to run' : textFault(text))));

export const pathInside = z
  .string({ error: 'must be a path' })
  .check(checked((path) => insidePathFault(path, 'never-top')));
export const folderInside = z
  .string({ error: 'must be a path' })
  .check(checked((path) => insidePathFault(path, 'top-allowed')));

export const includePath = z
  .string({ error: 'must be a path' })
  .check(
    checked(
      (path) =>
        insidePathFault(path, 'never-top') ??
        (/\.ya?ml$/.test(path) ? undefined : 'must be a YAML file: its name ends in .yml or .yaml'),
    ),
  );
export const includes = listOrOne(includePath, 'must be a path or a list of paths', 1);

export const paths = listOrOne(pathInside, 'must be a path or a list of paths', 1);
export const patterns = listOrOne(line, 'must be a pattern or a list of them', 1);

/** Says only that another form was meant; never shown. */
export const NO_EXPRESSION = 'is no expression';

/** A value of another type may always be one expression that gives it. */
export const expression = z
  .string()
  .regex(/^\s*\$\{\{[\s\S]*\}\}\s*$/, { error: NO_EXPRESSION, abort: true })
  .meta({ id: 'expression' });

export function orExpression<T extends z.ZodType>(type: T, message: string) {
  return z.union([type, expression], { error: `${message}, or one expression \${{ … }} that gives it` });
}

export const condition = z
  .union([z.string(), z.boolean()], {
    error: "must be a condition, such as github.ref == 'refs/heads/main'",
  })
  .meta({ id: 'condition' });

export const minutes = z
  .number({ error: 'must be a number of minutes' })
  .gt(0, { error: `must be above 0 and at most ${MAX_TIMEOUT_MINUTES} minutes` })
  .max(MAX_TIMEOUT_MINUTES, { error: `must be above 0 and at most ${MAX_TIMEOUT_MINUTES} minutes` });
/** One at a time: a group, or a group with what becomes of those before it. */
export const concurrency = z.union(
  [
    line,
    z.strictObject({
      group: line.describe('Name of the group; may hold expressions.'),
      'cancel-in-progress': orExpression(z.boolean(), 'must be true or false')
        .optional()
        .describe('A newer one ends the one that runs. Default false: it waits.'),
    }),
  ],
  { error: 'must be the name of a group, or a mapping with group and cancel-in-progress' },
);

/** `90s`, `10m`, `1h`; a bare number would leave its unit to guess. */
export const duration = z
  .string({ error: 'must be a time such as 90s, 10m or 1h' })
  .regex(/^(?:[1-9]\d{0,5}s|[1-9]\d{0,3}m|(?:[1-9]|1\d|2[0-4])h)$/, {
    error: 'must be a time such as 90s, 10m or 1h, at most 24h',
  });

/** `12h`, `90d`: for what is kept. */
export const longDuration = z
  .string({ error: 'must be a time such as 12h or 30d' })
  .regex(/^(?:[1-9]\d{0,3}h|[1-9]\d{0,2}d)$/, { error: 'must be a time such as 12h or 30d, at most 999d' });

/** Milliseconds of a checked duration. */
export function durationMs(text: string): number {
  const unit = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[text.at(-1) ?? ''] ?? 0;
  return Number(text.slice(0, -1)) * unit;
}

export const timeout = orExpression(minutes, 'must be a number of minutes');
export const yesOrNo = orExpression(z.boolean({ error: 'must be true or false' }), 'must be true or false');

export const shell = z
  .string({ error: 'must be bash, sh, python, or a command with {0} where the script comes' })
  .check(
    checked((text) =>
      /^(?:bash|sh|python|python3)$/.test(text) || (/^[^\p{Cc}]{1,400}$/u.test(text) && text.includes('{0}'))
        ? undefined
        : 'must be bash, sh, python, or a command with {0} where the script comes, such as "perl {0}"',
    ),
  );

export const identifier = z.string({ error: 'must be text' }).regex(/^[A-Za-z_][A-Za-z0-9_-]{0,99}$/, {
  error: 'must be made of letters, digits, "_" and "-"; the first a letter or "_". Rename it',
});

export const scalar = z
  .union([z.string(), z.number(), z.boolean(), z.null()], {
    error: 'must be text, a number or a boolean. Put quotes around it',
  })
  .check(checked((value) => (typeof value === 'string' ? textFault(value) : undefined)));

export const env = z
  .record(
    z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is not a name for a variable. Use letters, digits and "_"' }),
    scalar,
    { error: 'must be a mapping from variable names to values' },
  )
  .meta({ id: 'env' });

export const size = (least: string, most: string) =>
  z.union([z.string(), z.number()], { error: 'must be a size such as 2g or 512m' }).check(
    checked((value) => {
      const bytes = parseSize(value);
      if (bytes === undefined) return 'must be a size such as 2g or 512m';
      return bytes < (parseSize(least) ?? 0) || bytes > (parseSize(most) ?? 0)
        ? `must lie between ${least} and ${most}. Give the unit, as in 2g or 512m`
        : undefined;
    }),
  );

/** `a` or `[a, b]`, as people write needs. */
export function listOrOne<T extends z.ZodType>(item: T, message: string, least = 0) {
  return z.union([item, z.array(item).min(least, { error: 'must not be an empty list' })], { error: message });
}

/** Text goes to a process, where NUL would end it. What expressions may stand in it is checked in expression-places.ts. */
export function textFault(text: string): string | undefined {
  return text.includes('\0') ? 'must not hold a NUL character. Remove it' : undefined;
}

export function checked<T>(fault: (value: T) => string | undefined): z.core.CheckFn<T> {
  return (payload) => {
    const message = fault(payload.value);
    if (message !== undefined) payload.issues.push({ code: 'custom', message, input: payload.value });
  };
}

/** The other side of {@link listOrOne}. */
export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
