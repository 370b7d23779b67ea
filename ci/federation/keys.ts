/**
 * `node keys.ts`: new keys and tokens for one federation, as `NAME=value` lines for a `.env` file or `$GITHUB_OUTPUT`.
 * The hub gets public keys only; each agent gets its own private one.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { agents } from './agents.ts';
import { keyTexts } from './src/protocol/token.ts';

const pairs = agents.map((agent) => ({ ...agent, ...keyTexts(generateKeyPairSync('ed25519').privateKey) }));
const secret = (): string => randomBytes(24).toString('base64url');
const lines = [
  ['FEDERATION_AGENT_KEYS', pairs.map(({ name, publicText }) => `${name}=${publicText}`).join(',')],
  ['FEDERATION_ADMIN_TOKEN', secret()],
  ['FEDERATION_READ_TOKEN', secret()],
  ...pairs.map(({ variable, privateText }) => [variable, privateText]),
];
console.log(lines.map((line) => line.join('=')).join('\n'));
