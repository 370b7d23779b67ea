/** `node build.ts OUT`: each program as one file, and what the monitor's page is made of. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const out = process.argv[2] ?? join(here, 'dist');
mkdirSync(out, { recursive: true });
await build({
  entryPoints: {
    hub: join(here, 'src/hub/main.ts'),
    agent: join(here, 'src/agent/main.ts'),
    'agent-health': join(here, 'src/agent/health-check.ts'),
    monitor: join(here, 'src/monitor/main.ts'),
    'http-health': join(here, 'src/http-health.ts'),
  },
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  // better-sqlite3 looks for its binary beside itself; agentdb may be missing. ws's two native helpers are optional.
  external: ['better-sqlite3', 'agentdb', 'bufferutil', 'utf-8-validate'],
  // Bundled CommonJS calls require() for Node's own modules.
  banner: {
    js: "import { createRequire as hearthRequire } from 'node:module'; const require = hearthRequire(import.meta.url);",
  },
});
for (const name of ['page.html', 'page.mjs', 'page.css'])
  copyFileSync(join(here, 'src/monitor', name), join(out, name));
