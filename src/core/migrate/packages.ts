/** Package managers: what they install, from which lockfile, and where it can be kept. */

export interface PackageManager {
  readonly name: string;
  /** `layer`: into the repository's folder, made once per lockfile. `volume`: elsewhere; only downloads are kept. */
  readonly kind: 'layer' | 'volume';
  readonly lockfile: string;
  readonly install: string;
  /** What the layer's own shell needs first; steps of the job have done it already. */
  readonly before: string;
  /** Steps that do nothing but this. */
  readonly installs: ReadonlySet<string>;
  /** Where it keeps what it has downloaded. */
  readonly volume: string;
}

export const packageManagers: Readonly<Record<string, PackageManager>> = {
  npm: {
    ...{
      name: 'node',
      kind: 'layer',
      lockfile: 'package-lock.json',
      install: 'npm ci',
      before: '',
      volume: '/root/.npm',
    },
    installs: new Set([
      'npm ci',
      'npm ci --no-audit',
      'npm ci --no-audit --no-fund',
      'npm ci --prefer-offline',
      'npm clean-install',
      'npm install',
      'npm i',
    ]),
  },
  yarn: {
    ...{
      name: 'node',
      kind: 'layer',
      lockfile: 'yarn.lock',
      install: 'yarn install --frozen-lockfile',
      before: '',
      volume: '/root/.cache/yarn',
    },
    installs: new Set([
      'yarn',
      'yarn install',
      'yarn --frozen-lockfile',
      'yarn install --frozen-lockfile',
      'yarn install --immutable',
      'yarn --immutable',
    ]),
  },
  pnpm: {
    ...{
      name: 'node',
      kind: 'layer',
      lockfile: 'pnpm-lock.yaml',
      install: 'pnpm install --frozen-lockfile',
      before: 'corepack enable && ',
      volume: '/root/.local/share/pnpm',
    },
    installs: new Set(['pnpm install', 'pnpm i', 'pnpm install --frozen-lockfile', 'pnpm i --frozen-lockfile']),
  },
  pip: volume('pip', 'requirements.txt', '/root/.cache/pip'),
  pipenv: volume('pipenv', 'Pipfile.lock', '/root/.cache/pipenv'),
  poetry: volume('poetry', 'poetry.lock', '/root/.cache/pypoetry'),
  gradle: volume('gradle', 'build.gradle', '/root/.gradle'),
  maven: volume('maven', 'pom.xml', '/root/.m2'),
};

function volume(name: string, lockfile: string, path: string): PackageManager {
  return { name, kind: 'volume', lockfile, install: '', before: '', installs: new Set(), volume: path };
}
