/** Who may connect: tokens and keys, from the signature to the connection's end. */
import { generateKeyPairSync } from 'node:crypto';
import { SignJWT, UnsecuredJWT } from 'jose';
import { expect, test } from 'vitest';
import {
  AUDIENCE,
  ISSUER,
  keyTexts,
  privateKeyFrom,
  publicKeyFrom,
  signToken,
} from '../../ci/federation/src/protocol/token.ts';
import { hello, startHubRig, who, type HubRig } from '../support/federation-rig.ts';

const coder = who('red/coder');
const now = (): number => Math.floor(Date.now() / 1000);

/** A token that is good in everything that is not changed. */
async function token(rig: HubRig, { claims = {}, header = {}, key = 'red/coder' }: Changes = {}): Promise<string> {
  const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'coder', tenant: 'red', iat: now(), exp: now() + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', kid: 'red/coder', ...header }).sign(rig.keys.of(key));
}

interface Changes {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, string>>;
  readonly key?: string;
}

/** The answer to a hello with this token, and how the connection ended. */
async function knock(rig: HubRig, text: string, as = coder): Promise<string> {
  const socket = await rig.socket();
  const answer = await socket.ask({ ...hello(as, text) });
  if (answer.type === 'welcome') return 'welcome';
  const { code } = await socket.closed;
  return `${answer.type === 'error' ? answer.code : answer.type} ${code}`;
}

test('a good token opens the hub to its agent', async () => {
  await using rig = await startHubRig();
  expect(await knock(rig, await token(rig))).toBe('welcome');
  expect(await knock(rig, await signToken(coder, rig.keys.of('red/coder'), Date.now()))).toBe('welcome');
});

test.each<[string, Changes]>([
  ['signed with the key of another agent', { key: 'red/tester' }],
  ['of a key that the hub does not know', { header: { kid: 'red/nobody' } }],
  ['whose key id is no name', { header: { kid: '../red/coder' } }],
  ['for another audience', { claims: { aud: 'somebody-else' } }],
  ['of another issuer', { claims: { iss: 'me' } }],
  ['whose tenant is not that of its key', { claims: { tenant: 'blue' } }],
  ['whose agent is not that of its key', { claims: { sub: 'tester' } }],
  ['with exp in milliseconds', { claims: { exp: Date.now() + 60_000 } }],
  ['that lives for a day', { claims: { exp: now() + 86_400 } }],
  ['without an end', { claims: { exp: undefined } }],
  ['from the future', { claims: { iat: now() + 600, exp: now() + 700 } }],
])('a token %s is a bad token', async (_name, changes) => {
  await using rig = await startHubRig();
  expect(await knock(rig, await token(rig, changes))).toBe('bad-token 4003');
});

test('a token that has ended is expired', async () => {
  await using rig = await startHubRig();
  expect(await knock(rig, await token(rig, { claims: { iat: now() - 100, exp: now() - 40 } }))).toBe(
    'expired-token 4003',
  );
});

test('only Ed25519 counts: neither no algorithm nor a shared secret made of the public key', async () => {
  await using rig = await startHubRig();
  const claims = { tenant: 'red', sub: 'coder', iss: ISSUER, aud: AUDIENCE, iat: now(), exp: now() + 60 };
  const [, payload] = new UnsecuredJWT(claims).encode().split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'none', kid: 'red/coder' })).toString('base64url');
  expect(await knock(rig, `${header}.${payload}.`)).toBe('bad-token 4003');
  const secret = Buffer.from(keyTexts(rig.keys.of('red/coder')).publicText, 'base64url');
  const shared = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'red/coder' }).sign(secret);
  expect(await knock(rig, shared)).toBe('bad-token 4003');
  expect(await knock(rig, 'not a token')).toBe('bad-token 4003');
});

test('a good token opens nothing for another agent or another tenant, and the latter is written down', async () => {
  await using rig = await startHubRig();
  const good = await token(rig);
  expect(await knock(rig, good, who('red/tester'))).toBe('wrong-identity 4003');
  expect(await knock(rig, good, who('blue/coder'))).toBe('wrong-identity 4003');
  expect(rig.hub.stats().agents.connected).toBe(0);
  expect(rig.hub.stats().counts.unauthorized).toBe(2);
});

test('keys go through text and back, and nothing else is taken for one', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { privateText, publicText } = keyTexts(privateKey);
  expect(keyTexts(privateKeyFrom(privateText) ?? privateKey)).toEqual({ privateText, publicText });
  expect(publicKeyFrom(publicText)?.export({ format: 'jwk' }).x).toBe(publicText);
  for (const text of ['', 'short', `${publicText}A`, `${publicText}=`]) expect(publicKeyFrom(text)).toBeUndefined();
});
