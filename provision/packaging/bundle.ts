// One program without node_modules: what starts fast and cannot be half updated.
import { build } from 'esbuild';

/** The one package that stays outside: it carries binaries. */
const EXTERNAL = ['better-sqlite3'];

/** Bundles src/main.ts into `folder`/main.mjs and returns the paths of all files that went in, relative to here. */
export async function bundle(folder: string): Promise<readonly string[]> {
  const built = await build({
    entryPoints: { main: 'src/main.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: EXTERNAL,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    // Bundled CommonJS packages call require() for Node's own modules, which ES modules do not have.
    banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
  });
  return Object.keys(built.metafile.inputs);
}
