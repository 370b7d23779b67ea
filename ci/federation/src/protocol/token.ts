/**
 * Tokens and the keys behind them. Every agent has an Ed25519 key of its own and signs its tokens itself; the hub knows
 * the public half and whom it belongs to. So an agent can speak for nobody else, and the hub's settings hold no secret.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import { identityFrom, identityText, type Identity } from './names.ts';

export const ISSUER = 'hearth-federation';
export const AUDIENCE = 'hearth-federation-hub';
/** RFC 8037's name. Nothing else is verified: not `none`, not HS256 with a public key as its secret. */
const ALGORITHM = 'EdDSA';
const LIFETIME_S = 300;
/** A token that claims to live longer is refused, which also catches an `exp` in milliseconds. */
export const LONGEST_LIFETIME_S = 900;
/** Clocks of two machines differ. */
const TOLERANCE_S = 5;

/** What the DER forms of Ed25519 keys (RFC 8410) begin with. */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;

/** From the 32 bytes of a private key in base64url; undefined when it is none. */
export function privateKeyFrom(text: string): KeyObject | undefined {
  const bytes = bytesOf(text);
  if (bytes === undefined) return undefined;
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, bytes]), format: 'der', type: 'pkcs8' });
}

/** From the 32 bytes of a public key in base64url; undefined when it is none. */
export function publicKeyFrom(text: string): KeyObject | undefined {
  const bytes = bytesOf(text);
  if (bytes === undefined) return undefined;
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: 'der', type: 'spki' });
}

/** Both halves as texts that {@link privateKeyFrom} and {@link publicKeyFrom} read. */
export function keyTexts(privateKey: KeyObject): { readonly privateText: string; readonly publicText: string } {
  const { d, x } = privateKey.export({ format: 'jwk' });
  return { privateText: d ?? '', publicText: x ?? '' };
}

/** A token for five minutes. `nowMs` is the time of day in ms. */
export async function signToken(identity: Identity, key: KeyObject, nowMs: number): Promise<string> {
  const now = Math.floor(nowMs / 1000);
  return new SignJWT({ tenant: identity.tenant })
    .setProtectedHeader({ alg: ALGORITHM, kid: identityText(identity), typ: 'JWT' })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(identity.agent)
    .setIssuedAt(now)
    .setExpirationTime(now + LIFETIME_S)
    .sign(key);
}

/** Public keys by {@link identityText}. */
export type KeyRing = ReadonlyMap<string, KeyObject>;

export type TokenVerdict =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly code: 'bad-token' | 'expired-token'; readonly message: string };

/**
 * Whose token it is. The key is chosen by the token's own key id, and the claims must then name that key's owner: a good
 * signature by somebody else's key is a bad token. `nowMs` is the time of day in ms.
 */
export async function verifyToken(token: string, keys: KeyRing, nowMs: number): Promise<TokenVerdict> {
  try {
    const kid = decodeProtectedHeader(token).kid ?? '';
    const key = keys.get(kid);
    const owner = identityFrom(kid);
    if (key === undefined || owner === undefined) return refused('the hub knows no key of that name');
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      subject: owner.agent,
      requiredClaims: ['exp', 'iat', 'tenant'],
      clockTolerance: TOLERANCE_S,
      maxTokenAge: LONGEST_LIFETIME_S,
      currentDate: new Date(nowMs),
    });
    if (payload['tenant'] !== owner.tenant) return refused('its tenant is not the one of its key');
    if ((payload.exp ?? Infinity) - (payload.iat ?? 0) > LONGEST_LIFETIME_S) {
      return refused(`it lives longer than ${LONGEST_LIFETIME_S} s; exp is in seconds`);
    }
    return { ok: true, identity: owner };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return { ok: false, code: 'expired-token', message: 'Token: expired.' };
    return refused(error instanceof Error ? error.message : 'not a token');
  }
}

function refused(why: string): TokenVerdict {
  return { ok: false, code: 'bad-token', message: `Token: ${why}.` };
}

function bytesOf(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === KEY_BYTES && bytes.toString('base64url') === text ? bytes : undefined;
}
