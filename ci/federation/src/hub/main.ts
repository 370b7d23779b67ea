/** `node hub/main.ts`: the hub as a program. Ends with 0 after SIGTERM or SIGINT, with 2 for wrong settings. */
import { startHub } from './hub.ts';
import { hubSettings } from './settings.ts';
import { createDebug } from '../debug/debug.ts';
import { runProgram } from '../program.ts';
import { readSettings } from '../settings.ts';

await runProgram(async (untilStopped) => {
  const settings = readSettings(hubSettings, process.env);
  const hub = await startHub({
    databasePath: settings.HUB_DB_PATH,
    host: settings.HUB_HOST,
    port: settings.HUB_PORT,
    healthPort: settings.HUB_HEALTH_PORT,
    keys: settings.FEDERATION_AGENT_KEYS,
    tokens: { admin: settings.FEDERATION_ADMIN_TOKEN, read: settings.FEDERATION_READ_TOKEN },
    limits: { maxAgents: settings.FEDERATION_MAX_AGENTS },
    debug: createDebug({ settings, source: 'hub' }),
  });
  await untilStopped;
  await hub.stop();
  return 0;
});
