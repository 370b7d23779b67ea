/** `node monitor/main.ts`: the monitor as a program. Ends with 0 after SIGTERM or SIGINT, with 2 for wrong settings. */
import { z } from 'zod';
import { startMonitor } from './server.ts';
import { createDebug, debugSettings } from '../debug/debug.ts';
import { runProgram } from '../program.ts';
import { numberSetting, readSettings, urlSetting } from '../settings.ts';

const settings = {
  ...debugSettings,
  MONITOR_HOST: z.string().default('0.0.0.0'),
  MONITOR_PORT: numberSetting(0, 65_535).default(3000),
  FEDERATION_STATS_URL: urlSetting('http:', 'https:'),
  FEDERATION_READ_TOKEN: z.string('is missing; keys.ts prints it').min(16, 'must have at least 16 characters'),
};

await runProgram(async (untilStopped) => {
  const given = readSettings(settings, process.env);
  const debug = createDebug({ settings: given, source: 'monitor' });
  const monitor = await startMonitor({
    hub: { url: given.FEDERATION_STATS_URL.replace(/\/$/, ''), token: given.FEDERATION_READ_TOKEN },
    host: given.MONITOR_HOST,
    port: given.MONITOR_PORT,
  });
  debug('BASIC', { kind: 'lifecycle', name: 'monitor started', fields: { port: monitor.port } });
  await untilStopped;
  await monitor.stop();
  debug('BASIC', { kind: 'lifecycle', name: 'monitor stopped' });
  return 0;
});
