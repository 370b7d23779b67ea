/** Names that travel: of tenants, agents and requests. */
import { z } from 'zod';

/** Of a tenant or an agent: small letters, digits and dashes, so that it can stand in a key id, a URL and a table. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'small letters, digits and dashes');

/** Chosen by whoever asks; the answer carries it again. */
export const requestIdSchema = z.string().regex(/^[\w.:-]{1,80}$/, '1 to 80 letters, digits and . : _ -');

/** Who somebody is. An agent's name means nothing without its tenant: two tenants may both have a `coder`. */
export interface Identity {
  readonly tenant: string;
  readonly agent: string;
}

/** As a key id and in text: `tenant/agent`. Neither part can hold a slash. */
export function identityText({ tenant, agent }: Identity): string {
  return `${tenant}/${agent}`;
}

/** The reverse of {@link identityText}; undefined when it is none. */
export function identityFrom(text: string): Identity | undefined {
  const [tenant, agent, ...more] = text.split('/');
  if (more.length > 0 || !nameSchema.safeParse(tenant).success || !nameSchema.safeParse(agent).success)
    return undefined;
  return { tenant: tenant ?? '', agent: agent ?? '' };
}
