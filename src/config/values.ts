/** How single settings are written. Each takes what the environment or the file gives and says what to write instead. */
import { z } from 'zod';
import { parseEgressTarget } from '../core/egress.ts';
import { Secret } from '../core/secrets/secret.ts';
import { parseSize } from '../core/size.ts';

/** One text. YAML gives bare numbers and booleans as such; they mean what was typed. */
export const text = z
  .union([z.string(), z.number(), z.boolean()], { error: 'must be a single value' })
  .transform((value) => String(value).trim())
  .refine((value) => value !== '', 'is empty; give it a value or remove it');

export const secret = text.transform((value) => new Secret(value));

/** A comma list in the environment; in the file also a YAML list. */
export const list = z
  .union([text.transform((value) => value.split(',')), z.array(text)], {
    error: 'must be a list or values with commas between them',
  })
  .transform((words) => words.map((word) => word.trim()).filter((word) => word !== ''));

/** In a YAML list a secret may contain commas. */
export const secretList = list
  .refine((secrets) => secrets.length > 0, 'is empty; give at least one secret')
  .transform((secrets) => secrets.map((one) => new Secret(one)));

const NAME = '[A-Za-z0-9_.-]{1,100}';
const repoPattern = new RegExp(`^(?!\\.{1,2}/)${NAME}/(?:\\*|(?!\\.{1,2}$)${NAME})$`);

export const repoPatterns = list.superRefine((patterns, context) => {
  if (patterns.length === 0)
    context.addIssue('is empty, so nothing would ever run; list repositories as owner/name or owner/*');
  for (const pattern of patterns) {
    if (!repoPattern.test(pattern)) context.addIssue(`has ${JSON.stringify(pattern)}; write owner/name or owner/*`);
  }
});

export const labels = list.superRefine((words, context) => {
  for (const word of words) {
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(word)) {
      context.addIssue(
        `has ${JSON.stringify(word)}; a label is up to 64 letters, digits, dots, dashes and underscores`,
      );
    }
  }
});

/** Addresses and networks, each with a port or without. A name would be looked up by nobody. */
export const egressTargets = list.transform((targets, context) =>
  targets.flatMap((text) => {
    const target = parseEgressTarget(text);
    if (target !== undefined) return [target];
    context.addIssue(
      `has ${JSON.stringify(text)}; write an address or a network with or without a port, such as 10.1.2.3:443, 10.0.0.0/8 or [fd00::/8]:443`,
    );
    return [];
  }),
);

export interface ListenAddress {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

const LISTEN_HELP = 'write host:port such as 127.0.0.1:9000 or [::1]:9000, or only a port';

export const listenAddress = text.transform((value, context): ListenAddress => {
  const parts = /^(?:(?<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):)?(?<port>\d{1,5})$/.exec(value)?.groups;
  const port = Number(parts?.['port']);
  if (parts === undefined || port > 65_535) {
    context.addIssue(`is ${JSON.stringify(value)}; ${LISTEN_HELP}`);
    return z.NEVER;
  }
  return { host: (parts['host'] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port };
});

/** Messages never repeat a URL, since it may hold a password. */
export function url(...schemes: readonly string[]) {
  return text.refine((value) => URL.canParse(value) && schemes.includes(new URL(value).protocol.slice(0, -1)), {
    error: `must be a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
    abort: true,
  });
}

/** A URL that others see and that paths are added to, without a slash at its end. */
export const baseUrl = url('https', 'http')
  .refine((value) => {
    const { username, password, search, hash } = new URL(value);
    return `${username}${password}${search}${hash}` === '';
  }, 'must be only scheme, host and path, without a user, a query or a fragment')
  .transform((value) => value.replace(/\/+$/, ''));

export const secretUrl = (...schemes: readonly string[]) => url(...schemes).transform((value) => new Secret(value));

export const cloneUrl = text
  .refine((value) => /^(?:https?|file):\/\//.test(value), 'must begin with https://, http:// or file://')
  .refine(
    (value) => !/^[a-z]+:\/\/[^/]*:[^/]*@/.test(value),
    'must not hold a password, since it is shown; set GITHUB_TOKEN instead',
  )
  .refine(
    (value) => [...value.matchAll(/\{([^}]*)\}/g)].every(([, name]) => name === 'owner' || name === 'repo'),
    'has a placeholder that is neither {owner} nor {repo}',
  );

/** Bytes: `20GiB`, `512m` or a number. */
export function bytes(least: number) {
  return text.transform((value, context) => {
    const size = parseSize(value);
    if (size === undefined || size < least) {
      context.addIssue(`is ${JSON.stringify(value)}; write a size of at least ${least} bytes, such as 64MiB or 20GiB`);
      return z.NEVER;
    }
    return size;
  });
}

export function wholeNumber(least: number, most: number) {
  return text.transform((value, context) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) {
      context.addIssue(`is ${JSON.stringify(value)}; write a whole number from ${least} to ${most}`);
      return z.NEVER;
    }
    return number;
  });
}

const MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `90s`, `30m`, `24h` or `7d`. */
export const duration = text.transform((value, context) => {
  const parts = /^(\d{1,6})\s?([smhd])$/.exec(value);
  const ms = Number(parts?.[1]) * (MS[parts?.[2] ?? ''] ?? NaN);
  if (!(ms > 0)) {
    context.addIssue(`is ${JSON.stringify(value)}; write a time such as 30m, 24h or 7d`);
    return z.NEVER;
  }
  return ms;
});

export function oneOf<const W extends string>(words: readonly W[]) {
  return text.transform((value, context): W => {
    const word = words.find((candidate) => candidate === value.toLowerCase());
    if (word === undefined) {
      context.addIssue(`is ${JSON.stringify(value)}; write one of ${words.join(', ')}`);
      return z.NEVER;
    }
    return word;
  });
}
