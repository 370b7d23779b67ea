/** `node agent/main.ts`: an agent as a program. Ends with 0 after its goodbye, 1 without one, 2 for wrong settings. */
import { runAgent } from './agent.ts';
import { writeHealth } from './health-file.ts';
import { openLocalStore } from './local-store.ts';
import { agentSettings } from './settings.ts';
import { createDebug } from '../debug/debug.ts';
import { identityText } from '../protocol/names.ts';
import { runProgram } from '../program.ts';
import { readSettings } from '../settings.ts';

const GRACE_MS = 10_000;

await runProgram(async (untilStopped) => {
  const settings = readSettings(agentSettings, process.env);
  const identity = { tenant: settings.FEDERATION_TENANT, agent: settings.FEDERATION_AGENT };
  const stop = new AbortController();
  void untilStopped.then(() => stop.abort());
  const { FEDERATION_HEALTH_FILE: healthFile, FEDERATION_INTERVAL_MS: intervalMs } = settings;
  using store = openLocalStore(settings.FEDERATION_AGENT_DB, identity);
  await runAgent(
    {
      ...{ identity, intervalMs, store },
      url: settings.FEDERATION_HUB_URL,
      key: settings.FEDERATION_AGENT_KEY,
      role: settings.FEDERATION_ROLE,
      seed: settings.FEDERATION_SEED,
      durationMs: settings.FEDERATION_DURATION_MS,
      target: settings.FEDERATION_TRESPASS,
      debug: createDebug({ settings, source: `agent ${identityText(identity)}` }),
      onState: (state) => writeHealth(healthFile, state, 2 * intervalMs + GRACE_MS),
    },
    stop.signal,
  );
  if (settings.FEDERATION_WHEN_DONE === 'idle') await untilStopped;
  return 0;
});
