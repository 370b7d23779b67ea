/** An agent's settings from the environment. */
import { z } from 'zod';
import { roles } from './work.ts';
import { debugSettings } from '../debug/debug.ts';
import { identityFrom, nameSchema } from '../protocol/names.ts';
import { privateKeyFrom } from '../protocol/token.ts';
import { numberSetting, urlSetting } from '../settings.ts';

export const agentSettings = {
  ...debugSettings,
  FEDERATION_HUB_URL: urlSetting('ws:', 'wss:'),
  FEDERATION_TENANT: nameSchema,
  FEDERATION_AGENT: nameSchema,
  FEDERATION_ROLE: z.enum(roles),
  /** The agent's own private key; `keys.ts` makes it. */
  FEDERATION_AGENT_KEY: z.string('is missing; keys.ts prints it').transform((text, context) => {
    const key = privateKeyFrom(text);
    if (key !== undefined) return key;
    context.addIssue({ code: 'custom', message: 'is no private key of 32 bytes in base64url' });
    return z.NEVER;
  }),
  FEDERATION_SEED: numberSetting(0, 2 ** 31).default(1),
  FEDERATION_INTERVAL_MS: numberSetting(20, 3_600_000).default(5000),
  FEDERATION_DURATION_MS: numberSetting(20, 86_400_000).default(60_000),
  FEDERATION_AGENT_DB: z.string().default('/data/agent.db'),
  /** After the goodbye: end, or stay until asked to end, for hosts that take an ended container for a failed one. */
  FEDERATION_WHEN_DONE: z.enum(['exit', 'idle']).default('exit'),
  /** `tenant/agent` that this agent tries to be, to show that it cannot. */
  FEDERATION_TRESPASS: z
    .string()
    .transform((text, context) => {
      const identity = identityFrom(text);
      if (identity !== undefined) return identity;
      context.addIssue({ code: 'custom', message: 'is not tenant/agent' });
      return z.NEVER;
    })
    .optional(),
  FEDERATION_HEALTH_FILE: z.string().default('/tmp/federation-agent-health.json'),
};
