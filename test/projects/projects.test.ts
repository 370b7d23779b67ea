/** Public projects with their own test suites, through `hearth run`: cold, warm, and broken. README.md here tells more. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labelOf, removeSlotsOf } from '../../src/docker/open-executor.ts';
import { tablesOf, ticked } from '../support/markdown.ts';

const exec = promisify(execFile);
const here = import.meta.dirname;

/** Cold, the image and hundreds of packages come over the network. */
const RUN_TIMEOUT_MS = 600_000;

interface Project {
  readonly folder: string;
  readonly jobs: readonly string[];
  /** How many of the project's own tests each of these jobs told of. */
  readonly counted: Readonly<Record<string, (job: RanJob) => number>>;
  readonly broken: {
    readonly file: string;
    readonly from: string;
    readonly to: string;
    readonly job: string;
    /** What names the test that fails then. */
    readonly named: RegExp;
  };
}

interface RanJob {
  readonly name: string;
  readonly outcome: { readonly result: string; readonly message: string };
  readonly evidence: { readonly exit_code: number } | null;
  readonly tests: { readonly total: number; readonly failed: number; readonly skipped: number } | null;
  /** What `log` of the JSON names, read. */
  readonly log: string;
}

const projects: readonly Project[] = [
  {
    folder: 'split2',
    jobs: ['test (22)', 'test (24)', 'lint'],
    counted: {
      'test (22)': ({ log }) => inLog(/^v22\.[^]*^# pass +(\d+)$/m, log),
      'test (24)': ({ log }) => inLog(/^v24\.[^]*^# pass +(\d+)$/m, log),
    },
    broken: {
      file: 'index.js',
      from: 'if (this.overflow && !this.skipOverflow)',
      to: 'if (this.overflow)',
      job: 'test (24)',
      named: /# maximum buffer limit w\/skip\n[^#]*not ok \d+/,
    },
  },
  {
    folder: 'cborg',
    jobs: ['build', 'library', 'command'],
    counted: { library: inReport, command: ({ log }) => inLog(/^ +(\d+) passing /m, log) },
    broken: {
      file: 'lib/decode.js',
      from: 'must be a Uint8Array',
      to: 'must be bytes',
      job: 'library',
      named: /^ +✘ .*not Uint8Array/m,
    },
  },
  {
    folder: 'fastify-cors',
    jobs: ['unit', 'types'],
    counted: { unit: inReport, types: ({ log }) => inLog(/^Assertions: +(\d+) passed/m, log) },
    broken: {
      file: 'index.js',
      from: 'optionsSuccessStatus: 204',
      to: 'optionsSuccessStatus: 205',
      job: 'unit',
      named: /^ +✘ .*Should reply to preflight requests/m,
    },
  },
];

const origins = new Map(
  tablesOf('test/projects/README.md', 'folder')[0]?.rows.map((row) => {
    const [folder = '', name = '', version = '', , integrity = ''] = row.map((cell) => ticked(cell)[0]);
    return [folder, { name, version, integrity }];
  }),
);

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearth-projects-'));
});

afterAll(async () => {
  const local = join(root, 'state', 'hearth', 'local');
  for (const name of await readdir(local).catch(() => [])) await removeSlotsOf(join(local, name));
  await rm(root, { recursive: true, force: true });
});

it('every project of the table is run, and no other', () => {
  expect(projects.map(({ folder }) => folder)).toEqual([...origins.keys()]);
});

describe.each(projects)('$folder', ({ folder, jobs, counted, broken }) => {
  let tree: string;
  let containersOfFirstRun: number;

  beforeAll(async () => {
    tree = join(root, folder);
    await mkdir(tree);
    await exec('tar', ['-xf', await fetchArchive(folder), '-C', tree, '--strip-components', '1']);
    await cp(join(here, folder), tree, { recursive: true });
    await cp(join(here, 'image'), join(tree, 'ci/image'), { recursive: true });
    const git = (...args: readonly string[]) => exec('git', ['-C', tree, ...args]);
    await git('init', '--quiet', '--initial-branch=main');
    await git('add', '--all');
    await git('-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '--quiet', '--message=as published');
  });

  it(
    'passes, and its own tests were counted',
    async () => {
      const { said, created } = await hearthRun(tree);
      expectGood(said, jobs, counted);
      // The job installed it, or waited for the pre-warm that did.
      expect(said.jobs.map(({ log }) => log).join('\n')).toMatch(/^cache packages: (built|ready) [0-9a-f]{12}$/m);
      containersOfFirstRun = created;
    },
    RUN_TIMEOUT_MS,
  );

  it(
    'passes again from the dependency layer, in slots that were warm',
    async () => {
      const { said, created } = await hearthRun(tree);
      expectGood(said, jobs, counted);
      const hits = said.jobs.filter(({ log }) => log.startsWith('cache packages: hit '));
      expect(hits.map(({ name }) => name)).toEqual(said.jobs.map(({ name }) => name));
      expect(containersOfFirstRun).toBeGreaterThan(0);
      expect(created).toBe(0);
    },
    RUN_TIMEOUT_MS,
  );

  it(
    `is red when ${broken.file} is broken, and the test that failed is named`,
    async () => {
      const source = await readFile(join(tree, broken.file), 'utf8');
      expect(source).toContain(broken.from);
      await writeFile(join(tree, broken.file), source.replaceAll(broken.from, broken.to));
      const { code, out } = await hearth(tree, 'run', broken.job);
      expect(out).toMatch(broken.named);
      expect(out).toMatch(/✘ ci: .*exit 1/);
      expect(code).toBe(1);
    },
    RUN_TIMEOUT_MS,
  );
});

/** The path of the archive, when it is byte for byte the one that was published. */
async function fetchArchive(folder: string): Promise<string> {
  const { name, version, integrity } = origins.get(folder) ?? { name: '', version: '', integrity: '' };
  const target = join(root, `${folder}-archive`);
  await mkdir(target);
  await exec('npm', ['pack', `${name}@${version}`, '--pack-destination', target], { cwd: target });
  const [file = ''] = await readdir(target);
  const archive = join(target, file);
  const hash = createHash('sha512')
    .update(await readFile(archive))
    .digest('base64');
  expect(`sha512-${hash}`).toBe(integrity);
  return archive;
}

interface Said {
  readonly outcome: { readonly result: string };
  readonly jobs: readonly RanJob[];
}

/** Of the only pipeline; and how many containers were created for it in the meantime, told by the engine. */
async function hearthRun(tree: string): Promise<{ readonly said: Said; readonly created: number }> {
  const since = Date.now() / 1000;
  const { code, out, err } = await hearth(tree, '-o', 'json', 'run');
  expect(err).toBe('');
  const [ran] = JSON.parse(out) as readonly Said[];
  if (ran === undefined) throw new Error('there was no run');
  const said = { ...ran, jobs: await Promise.all(ran.jobs.map(withLog)) };
  // With what the jobs said, so that a failure here explains itself.
  expect(code, said.jobs.map(({ log }) => log.slice(-2000)).join('\n')).toBe(0);
  const filters = ['type=container', 'event=create', `label=${labelOf('data', await dataOf(tree))}`];
  const { stdout } = await exec('docker', [
    'events',
    ...['--since', since.toFixed(3), '--until', (Date.now() / 1000).toFixed(3)],
    ...filters.flatMap((filter) => ['--filter', filter]),
  ]);
  return { said, created: stdout.split('\n').length - 1 };
}

async function withLog(job: RanJob): Promise<RanJob> {
  return { ...job, log: await readFile(job.log, 'utf8') };
}

/** Its name is made from the folder's. */
async function dataOf(tree: string): Promise<string> {
  const name = createHash('sha256').update(tree).digest('hex').slice(0, 16);
  const local = join(root, 'state', 'hearth', 'local');
  expect(await readdir(local)).toContain(name);
  return join(local, name);
}

function expectGood({ outcome, jobs }: Said, names: readonly string[], counted: Project['counted']): void {
  expect(outcome.result).toBe('success');
  expect(jobs.map((job) => [job.name, job.outcome.result, job.evidence?.exit_code])).toEqual(
    names.map((name) => [name, 'success', 0]),
  );
  const counts = Object.entries(counted).map(([name, count]) => {
    const job = jobs.find((one) => one.name === name);
    return [name, job === undefined ? 0 : count(job)] as const;
  });
  console.log(counts.map(([name, count]) => `${name}: ${count} tests passed`).join('\n'));
  for (const [name, count] of counts) expect(count, name).toBeGreaterThan(0);
}

function inLog(pattern: RegExp, log: string): number {
  // eslint-disable-next-line no-control-regex -- test runners colour what they print
  return Number(pattern.exec(log.replace(/\u001b\[[\d;]*m/g, ''))?.[1] ?? 0);
}

function inReport({ tests }: RanJob): number {
  return tests === null || tests.failed > 0 ? 0 : tests.total - tests.skipped;
}

function hearth(
  tree: string,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const env = { PATH: process.env['PATH'], XDG_STATE_HOME: join(root, 'state'), HOME: root };
  const program = join(here, '../../src/main.ts');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, '-C', tree, ...args],
      { env, maxBuffer: 64 * 1024 ** 2 },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
      },
    );
  });
}
