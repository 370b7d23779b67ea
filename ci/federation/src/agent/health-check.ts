/** `node agent/health-check.ts`: 0 when the agent of this container is well. */
import { healthTrouble } from './health-file.ts';

const file = process.env['FEDERATION_HEALTH_FILE'] ?? '/tmp/federation-agent-health.json';
const trouble = healthTrouble(file, Date.now());
if (trouble !== undefined) {
  console.error(trouble);
  process.exitCode = 1;
}
