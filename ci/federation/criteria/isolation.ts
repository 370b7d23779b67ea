/** Whether tenants are apart: shown by sharing that works within one, and by attempts across that were refused. */
import type { ObservedAttempt, Observations } from './observations.ts';
import { identityText, type Identity } from '../src/protocol/names.ts';

export interface Isolation {
  readonly observed: string;
  readonly passed: boolean;
}

const WAYS = ['hello', 'pull', 'push'] as const;

/** All that is wrong, or what was seen. An absence of leaks alone proves nothing, so each part needs its evidence. */
export function isolation(seen: Observations): Isolation {
  const troubles = [...sharingTroubles(seen), ...leakTroubles(seen), ...attemptTroubles(seen)];
  if (troubles.length > 0) return { observed: troubles.join('; '), passed: false };
  const within = seen.receipts.length;
  const refused = seen.attempts.filter(({ by }) => by === 'hub').length;
  return { observed: `${within} receipts within tenants, 0 across; ${refused} attempts, all refused`, passed: true };
}

/** Every agent of a tenant has received something of every other one, with the digest that the hub has stored. */
function sharingTroubles({ expected, episodes, receipts }: Observations): readonly string[] {
  const makers = new Map(episodes.map((episode) => [episode.digest, identityText(episode)]));
  const received = new Set(
    receipts
      .filter(({ digest, tenant, fromAgent }) => makers.get(digest) === identityText({ tenant, agent: fromAgent }))
      .map((receipt) => `${identityText(receipt)} ${receipt.fromAgent}`),
  );
  const pairs = expected.flatMap((one) =>
    expected.filter((other) => isColleague(one, other)).map((other) => ({ one, other })),
  );
  if (pairs.length === 0) return ['no two agents share a tenant, so sharing was not seen'];
  const missing = pairs.filter(({ one, other }) => !received.has(`${identityText(one)} ${other.agent}`));
  return missing.map(({ one, other }) => `${identityText(one)} never received anything of ${other.agent}`);
}

/** Nobody has received what was made in another tenant, under whatever name it came. */
function leakTroubles({ expected, episodes, receipts }: Observations): readonly string[] {
  const tenants = new Map(episodes.map(({ digest, tenant }) => [digest, tenant]));
  const leaked = receipts.filter(({ digest, tenant }) => (tenants.get(digest) ?? tenant) !== tenant);
  const unknown = receipts.filter(({ digest }) => !tenants.has(digest));
  const strangers = receipts.filter(
    ({ tenant, fromAgent }) => !expected.some((who) => who.tenant === tenant && who.agent === fromAgent),
  );
  return [
    ...leaked.map((receipt) => `${identityText(receipt)} received an episode of ${tenants.get(receipt.digest)}`),
    ...(unknown.length === 0 ? [] : [`${unknown.length} receipts are of episodes that the hub does not have`]),
    ...(strangers.length === 0 ? [] : [`${strangers.length} receipts are of agents outside the tenant`]),
  ];
}

/** The attempts were made, in every way, and hub and agent agree that each was refused. */
function attemptTroubles({ attempts, episodes }: Observations): readonly string[] {
  const byHub = attempts.filter(({ by }) => by === 'hub');
  const byAgent = attempts.filter(({ by }) => by === 'agent');
  const untried = WAYS.filter((way) => !byAgent.some(({ what }) => what === way));
  const admitted = byAgent.filter(({ code }) => code === null);
  const wrongly = byAgent.filter(({ what, code }) => code !== null && code !== expectedCode(what));
  const unseen = byAgent.filter(({ request }) => !byHub.some((attempt) => attempt.request === request));
  const homes = new Set(byAgent.map(({ tenant }) => tenant));
  const silent = [...homes].filter((tenant) => !episodes.some((episode) => episode.tenant === tenant));
  return [
    ...untried.map((way) => `no ${way} across tenants was tried, so no refusal was seen`),
    ...admitted.map(({ what, request }) => `a ${what} across tenants was let in (${request})`),
    ...wrongly.map(({ what, code }) => `a ${what} across tenants was refused for another reason (${code})`),
    ...(unseen.length === 0 ? [] : [`${unseen.length} refusals are not in the hub's own record`]),
    ...silent.map((tenant) => `${tenant} stored nothing of its own, so its token may open nothing at all`),
  ];
}

function expectedCode(what: ObservedAttempt['what']): string {
  return what === 'hello' ? 'wrong-identity' : 'wrong-tenant';
}

function isColleague(one: Identity, other: Identity): boolean {
  return one.tenant === other.tenant && one.agent !== other.agent;
}
