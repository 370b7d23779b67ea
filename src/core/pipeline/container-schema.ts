/** The shape of `container` and `services` of a job, and what they become. */
import { z } from 'zod';
import {
  DEFAULT_SERVICE_MEMORY_BYTES,
  healthOptions,
  imageName,
  isHealthTime,
  type ContainerSpec,
  type HealthTemplate,
  type ServiceSpec,
} from '../containers.ts';
import { checked, env, size, textFault } from './schema-values.ts';
import { parseSize } from '../size.ts';
import { splitWords } from '../words.ts';

const hasExpression = (text: string): boolean => text.includes('${{');

const image = z
  .string({ error: 'must be the name of an image' })
  .check(
    checked((text) =>
      hasExpression(text) || imageName.test(text)
        ? undefined
        : 'must be the name of an image, such as node:24-bookworm. Correct it',
    ),
  );

export const containerKeys = z.strictObject({
  image: image.describe('Image that the job runs in, instead of the sidecar.'),
  env: env.optional().describe('Variables of all steps; those of the file and of the job win over them.'),
  'read-only': z
    .boolean({ error: 'must be true or false' })
    .optional()
    .describe("The container's own files cannot be changed, but for /tmp, /var/tmp, /run and /root. Default false."),
});
export const container = z.union([image, containerKeys], {
  error: 'must be the name of an image, or a mapping with image, env and read-only',
});

const time = z
  .string({ error: 'must be a time such as 10s' })
  .check(checked((text) => (isHealthTime(text) ? undefined : 'must be a time such as 10s or 1m30s. Correct it')));
const plainText = z.string({ error: 'must be text' }).check(checked(textFault));
const words = z.union(
  [
    plainText.check(
      checked((text) =>
        hasExpression(text) || splitWords(text) !== undefined ? undefined : 'has a quote that is not closed. Close it',
      ),
    ),
    z.array(plainText, { error: 'must be a list of words' }).min(1, { error: 'must not be an empty list' }),
  ],
  { error: 'must be text or a list of words' },
);

export const health = z.strictObject(
  {
    command: plainText
      .min(1, { error: 'must not be empty. Write a command' })
      .optional()
      .describe("Run by the image's shell inside the service; exit code 0 = healthy. Default: the image's own check."),
    interval: time.optional().describe('Time between checks, such as `2s`.'),
    timeout: time.optional().describe('A check that takes longer has failed.'),
    retries: z
      .int({ error: 'must be a whole number' })
      .min(1, { error: 'must lie between 1 and 1000' })
      .max(1000, { error: 'must lie between 1 and 1000' })
      .optional()
      .describe('So many failures in a row end the wait.'),
    'start-period': time.optional().describe('Failures in this time at the start do not count.'),
  },
  { error: 'must be a mapping with command, interval, timeout, retries and start-period' },
);

const port = z
  .union([z.int(), z.string()], { error: 'must be a port such as 5432' })
  .check(
    checked((value) =>
      hasExpression(String(value)) || /^(?:\d{1,5}:)?\d{1,5}(?:\/(?:tcp|udp))?$/.test(String(value))
        ? undefined
        : 'must be a port such as 5432 or 5432:5432. Correct it',
    ),
  );

export const service = z.strictObject(
  {
    image: image.describe('Image of the service.'),
    env: env.optional().describe('Variables of the service.'),
    ports: z
      .array(port, { error: 'must be a list of ports' })
      .optional()
      .describe('Taken from GitHub Actions, without effect: the job reaches every port at `<service>:<port>`.'),
    command: words.optional().describe("Arguments in the place of the image's own."),
    entrypoint: words.optional().describe("Program in the place of the image's own."),
    health: health.optional().describe('How to tell that the service is ready; the job starts only then.'),
    options: plainText
      .check(
        checked((text) => {
          const parsed = hasExpression(text) ? undefined : healthOptions(text);
          return parsed?.ok === false ? `is wrong: ${parsed.problem}` : undefined;
        }),
      )
      .optional()
      .describe('As on GitHub; only `--health-…` flags are known. `health` wins over them.'),
    memory: size('16m', '4096g').optional().describe('Memory limit. Default `4g`.'),
  },
  { error: 'must be a mapping with image' },
);

const serviceName = z.string().regex(/^(?!localhost$)[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/i, {
  error: 'is not a name for a service, which is a host name: letters, digits, "-" and "_", at most 63. Rename it',
});

const MAX_SERVICES = 20;
export const services = z
  .record(serviceName, service, { error: 'must be a mapping from names to services' })
  .check(
    checked((all) =>
      Object.keys(all).length > MAX_SERVICES ? `has more than ${MAX_SERVICES} services. Take some away` : undefined,
    ),
  );

export function containerOf(input: z.output<typeof container>): ContainerSpec {
  return typeof input === 'string'
    ? { image: input, readOnly: false }
    : { image: input.image, readOnly: input['read-only'] ?? false };
}

/** `envOf` gives values as they were typed. */
export function servicesOf(
  input: z.output<typeof services>,
  envOf: (service: string) => Readonly<Record<string, string>>,
): readonly ServiceSpec[] {
  return Object.entries(input).map(([name, spec]) => ({
    name,
    image: spec.image,
    env: envOf(name),
    ports: (spec.ports ?? []).map(String),
    command: spec.command ?? null,
    entrypoint: spec.entrypoint ?? null,
    health: healthOf(spec.health ?? {}),
    options: spec.options ?? '',
    memoryBytes:
      spec.memory === undefined
        ? DEFAULT_SERVICE_MEMORY_BYTES
        : (parseSize(spec.memory) ?? DEFAULT_SERVICE_MEMORY_BYTES),
  }));
}

function healthOf({ 'start-period': startPeriod, ...rest }: z.output<typeof health>): HealthTemplate {
  const given = Object.entries({ ...rest, startPeriod }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}
