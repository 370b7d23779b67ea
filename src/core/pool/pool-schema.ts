/** How a pool is written: in `pools` of the settings file, at the command line, over HTTP. One shape, one set of rules. */
import { z } from 'zod';
import { platformOf } from '../runs-on.ts';
import { parseSize } from '../size.ts';
import { failed, success, type Result } from '../result.ts';
import { nearestWord } from '../problem.ts';
import { dockerModes, emulationModes, KNOWN_PLATFORMS, registrations, scalings, sizeNames, type Pool } from './pool.ts';

/** The runner's program below this is refused by GitHub since March 2026. */
export const MIN_RUNNER_VERSION = '2.329.0';
/** GitHub's own image, without a tag that would grow old: `latest` follows what GitHub accepts. */
export const DEFAULT_IMAGE = 'ghcr.io/actions/actions-runner:latest';

const MOST_RUNNERS = 1000;
const HOUR_MS = 3_600_000;

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
const OWNER = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})';
const REPO = new RegExp(`^${OWNER}/(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,100}$`);
const LABEL = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** Labels of GitHub's own machines: their jobs are meant for those. */
const HOSTED = /^(?:ubuntu|windows|macos)-/i;
const RESERVED = new Map([
  ['self-hosted', 'every runner has it'],
  ['linux', 'every runner has it'],
  ['x64', 'it follows from `platform`'],
  ['arm64', 'it follows from `platform`'],
  ['large', 'it follows from `size: large`'],
  ['windows', 'runners here are Linux'],
  ['macos', 'runners here are Linux'],
]);

/** A list, one word, or words with commas between them. */
const words = z
  .union([z.string(), z.array(z.string())], { error: 'must be a word or a list of words' })
  .transform((value) =>
    (typeof value === 'string' ? value.split(',') : value).map((word) => word.trim()).filter((word) => word !== ''),
  );

const label = words.superRefine((all, context) => {
  for (const one of all) {
    const why = labelFault(one);
    if (why !== undefined) context.addIssue(`has ${JSON.stringify(one)}: ${why}`);
  }
});

function labelFault(text: string): string | undefined {
  if (!LABEL.test(text)) return 'a label is up to 64 letters, digits, dots, dashes and underscores';
  const reserved = RESERVED.get(text.toLowerCase());
  if (reserved !== undefined) return `${reserved}; leave it out`;
  if (HOSTED.test(text))
    return "that is a label of GitHub's own machines, and their jobs would run here; choose another";
  if (/^hearth-/i.test(text)) return 'labels that begin with hearth- are made by Hearth; choose another';
  return undefined;
}

const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\d{1,9}$/)
          .transform(Number),
      ],
      { error },
    )
    .pipe(z.int({ error }).min(least, { error }).max(most, { error }));
};

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: HOUR_MS, d: 24 * HOUR_MS };
const time = z
  .string({ error: 'must be a time such as 90s, 30m, 12h or 7d' })
  .regex(/^\d{1,6}[smhd]$/, { error: 'must be a time such as 90s, 30m, 12h or 7d' })
  .transform((text) => Number(text.slice(0, -1)) * (UNITS_MS[text.at(-1) ?? ''] ?? 0));
const yes = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')], {
  error: 'must be true or false',
});
const oneOf = <const W extends string>(choices: readonly W[]) =>
  z.enum(choices as readonly [W, ...W[]], { error: `must be one of ${choices.join(', ')}` });

const size = (least: string) =>
  z.union([z.string(), z.number()], { error: 'must be a size such as 6g' }).transform((value, context) => {
    const bytes = parseSize(value);
    if (bytes !== undefined && bytes >= (parseSize(least) ?? 0)) return bytes;
    context.addIssue(`must be a size of at least ${least}, such as 6g`);
    return z.NEVER;
  });

const amounts = z.strictObject(
  {
    cpus: z
      .union(
        [
          z.number(),
          z
            .string()
            .regex(/^\d{1,4}(?:\.\d{1,2})?$/)
            .transform(Number),
        ],
        {
          error: 'must be a number of cores',
        },
      )
      .refine((cpus) => cpus >= 0.1 && cpus <= 1024, { error: 'must be from 0.1 to 1024 cores' }),
    memory: size('256m'),
    disk: size('1g'),
  },
  { error: 'must be multi, large, or a mapping with cpus, memory and disk' },
);

const shape = z.strictObject(
  {
    repos: words
      .superRefine((all, context) => {
        for (const one of all)
          if (!REPO.test(one)) context.addIssue(`has ${JSON.stringify(one)}; write a repository as owner/name`);
      })
      .optional(),
    organisation: z
      .string({ error: 'must be the name of an organisation' })
      .regex(new RegExp(`^${OWNER}$`), { error: 'must be the name of an organisation, without a slash' })
      .optional(),
    labels: label.optional(),
    platform: z
      .string({ error: `must be one of ${KNOWN_PLATFORMS.join(', ')}` })
      .transform((text, context) => {
        const known = platformOf(text);
        if (known !== undefined) return known;
        context.addIssue(`is ${JSON.stringify(text)}; must be one of ${KNOWN_PLATFORMS.join(', ')}`);
        return z.NEVER;
      })
      .optional(),
    size: z.union([oneOf(sizeNames), amounts], {
      error: 'must be multi, large, or a mapping with cpus, memory and disk',
    }),
    emulation: oneOf(emulationModes),
    'install-emulation': yes,
    count: whole(1, MOST_RUNNERS).optional(),
    max: whole(1, MOST_RUNNERS).optional(),
    'min-idle': whole(0, MOST_RUNNERS).optional(),
    'max-lifetime': time,
    'idle-timeout': time,
    stagger: time,
    scaling: oneOf(scalings),
    lifetime: oneOf(['ephemeral']),
    image: z.string({ error: 'must be the name of an image' }).regex(/^[a-z0-9][A-Za-z0-9_./:@-]{0,254}$/, {
      error: 'must be the name of an image, such as ghcr.io/actions/actions-runner:2.330.0',
    }),
    docker: oneOf(dockerModes),
    register: oneOf(registrations),
    group: whole(1, Number.MAX_SAFE_INTEGER),
    'min-version': z
      .string({ error: 'must be a version such as 2.329.0' })
      .regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/, { error: 'must be a version such as 2.329.0' }),
    'allow-public': yes,
  },
  { error: 'must be a mapping with repos or organisation, and more' },
);

const DEFAULTS = {
  size: 'multi',
  emulation: 'never',
  'install-emulation': false,
  'max-lifetime': '6h',
  'idle-timeout': '5m',
  stagger: '0s',
  scaling: 'aggressive',
  lifetime: 'ephemeral',
  image: DEFAULT_IMAGE,
  docker: 'none',
  register: 'jit',
  group: 1,
  'min-version': MIN_RUNNER_VERSION,
  'allow-public': false,
} as const;

export const poolKeys = Object.keys(shape.shape);

/** A pool as it was written, or a sentence for each thing that is wrong with it. Nothing is looked up. */
export function parsePool(name: string, written: unknown): Result<Pool, readonly string[]> {
  const faults: string[] = [];
  if (!NAME.test(name))
    faults.push(`the name ${JSON.stringify(name)} must be up to 40 lower-case letters, digits and dashes`);
  const given = typeof written === 'object' && written !== null && !Array.isArray(written) ? written : null;
  const parsed = shape.safeParse(given === null ? written : { ...DEFAULTS, ...given });
  if (!parsed.success) return failed([...faults, ...parsed.error.issues.flatMap(sentencesOf)]);
  const values = parsed.data;
  const { count, organisation = null } = values;
  const repos = unique(values.repos ?? []);
  if (organisation === null && repos.length === 0)
    faults.push('`repos` or `organisation` is missing: say whose jobs the pool is for');
  if (organisation !== null && repos.length > 0)
    faults.push('`repos` and `organisation` are both given: keep the one that the runners belong to');
  if (count !== undefined && (values.max !== undefined || values['min-idle'] !== undefined))
    faults.push(
      '`count` is a fixed number of runners, so `max` and `min-idle` have no place beside it; remove them or it',
    );
  const max = count ?? values.max ?? null;
  const minIdle =
    count === undefined ? (values['min-idle'] ?? 1) : Math.max(1, Math.floor(count / Math.max(1, repos.length)));
  if (max !== null && minIdle * Math.max(1, repos.length) > max && count === undefined)
    faults.push(
      `\`max\` is ${max}, but \`min-idle\` wants ${minIdle} for each of ${Math.max(1, repos.length)}; raise \`max\` or lower \`min-idle\``,
    );
  if (count !== undefined && count < repos.length)
    faults.push(`\`count\` is ${count}, but there are ${repos.length} repositories, and a runner is for one of them`);
  if (faults.length > 0) return failed(faults);
  const { size: wanted } = values;
  return success({
    ...{ name, repos, organisation, labels: unique(values.labels ?? []), platform: values.platform ?? null },
    size:
      typeof wanted === 'string' ? wanted : { cpus: wanted.cpus, memoryBytes: wanted.memory, diskBytes: wanted.disk },
    ...{ emulation: values.emulation, installEmulation: values['install-emulation'], max, minIdle },
    ...{ maxLifetimeMs: values['max-lifetime'], idleMs: values['idle-timeout'], staggerMs: values.stagger },
    ...{ scaling: values.scaling, image: values.image, docker: values.docker, register: values.register },
    ...{ group: values.group, minVersion: values['min-version'], allowPublic: values['allow-public'] },
  });
}

/** Names and labels are compared without regard to case, as on GitHub. */
function unique(texts: readonly string[]): readonly string[] {
  return [...new Map(texts.map((text) => [text.toLowerCase(), text])).values()];
}

function sentencesOf(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === 'unrecognized_keys') {
    const inSize = issue.path.length > 0;
    return issue.keys.map((key) => {
      const nearest = nearestWord(key, inSize ? ['cpus', 'memory', 'disk'] : poolKeys);
      const advice = nearest === undefined ? `it may have ${poolKeys.join(', ')}` : `did you mean \`${nearest}\`?`;
      return `a pool has no key \`${[...issue.path, key].join('.')}\`; ${advice}`;
    });
  }
  // The alternatives of `size`: the mapping's own words say more than "one of these".
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.find((some) => some.some(({ path }) => path.length > 0));
    if (inner !== undefined) return inner.flatMap((one) => sentencesOf({ ...one, path: [...issue.path, ...one.path] }));
  }
  const key = issue.path.join('.');
  return [key === '' ? `a pool ${issue.message}` : `\`${key}\` ${issue.message}`];
}
