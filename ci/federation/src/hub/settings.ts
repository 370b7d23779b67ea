/** The hub's settings from the environment. */
import { z } from 'zod';
import { debugSettings } from '../debug/debug.ts';
import { identityFrom } from '../protocol/names.ts';
import { publicKeyFrom, type KeyRing } from '../protocol/token.ts';
import { numberSetting } from '../settings.ts';

const port = numberSetting(0, 65_535);
const token = z.string().min(16, 'must have at least 16 characters');

export const hubSettings = {
  ...debugSettings,
  HUB_HOST: z.string().default('0.0.0.0'),
  HUB_PORT: port.default(8443),
  HUB_HEALTH_PORT: port.default(8444),
  HUB_DB_PATH: z.string().default('/data/hub.db'),
  /** `tenant/agent=public key`, separated by commas: who may connect. `keys.ts` makes them. */
  FEDERATION_AGENT_KEYS: z.string('is missing; keys.ts prints it').transform(readKeyRing),
  FEDERATION_ADMIN_TOKEN: token,
  FEDERATION_READ_TOKEN: token.optional(),
  FEDERATION_MAX_AGENTS: numberSetting(1, 10_000).default(1000),
};

function readKeyRing(text: string, context: z.RefinementCtx): KeyRing {
  const ring = new Map<string, NonNullable<ReturnType<typeof publicKeyFrom>>>();
  for (const part of text.split(',')) {
    const entry = part.trim();
    const at = entry.indexOf('=');
    const name = entry.slice(0, Math.max(0, at));
    const key = publicKeyFrom(entry.slice(at + 1));
    if (identityFrom(name) === undefined || key === undefined) {
      context.addIssue({ code: 'custom', message: `"${entry.slice(0, 80)}" is not tenant/agent=KEY` });
    } else if (ring.has(name)) {
      context.addIssue({ code: 'custom', message: `${name} is there twice` });
    } else ring.set(name, key);
  }
  return ring;
}
