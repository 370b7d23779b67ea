/**
 * The shape of a pipeline file, version 1: keys, types and the rules that concern one value alone. What ties values
 * together (needs, phases, caches) is checked in pipeline-file.ts. Every error text goes on after the name of the key:
 * "jobs.build.run" + " must be …". Descriptions become the table in docs/pipeline-file.md and docs/pipeline.schema.json.
 */
import { z } from 'zod';
import { eventKeys, on } from './event-schema.ts';
import { containerKeys, health, service } from './container-schema.ts';
import { imageName } from '../containers.ts';
import { defaults, defaultsRun, job, step, strategy } from './job-schema.ts';
import { artifactKeys } from './artifact-schema.ts';
import { imageKeys } from './image-schema.ts';
import { secretUseKeys } from './secret-uses.ts';
import { resources } from './resources-schema.ts';
import {
  checked,
  concurrency,
  env,
  folderInside,
  identifier,
  includes,
  line,
  NAME_RULE,
  pathInside,
  paths,
  safeName,
  scalar,
  script,
  size,
} from './schema-values.ts';
import { volumePathFault } from './pipeline-paths.ts';

const sidecar = z.strictObject(
  {
    image: z
      .string({ error: 'must be the name of an image' })
      .regex(imageName, { error: 'must be the name of an image, such as node:24-bookworm' })
      .optional()
      .describe('Image that the warm slots are made from. Default `debian:bookworm-slim`.'),
    build: z
      .strictObject(
        {
          context: folderInside.optional().describe('Build context, from the top of the repository. Default: the top.'),
          file: pathInside
            .optional()
            .describe('Dockerfile, from the top of the repository. Default: `Dockerfile` in the context.'),
        },
        { error: 'must be a mapping with context and file' },
      )
      .optional()
      .describe('Build the image from the repository instead.'),
    'shm-size': size('1m', '64g').optional().describe('Size of /dev/shm. Default `2g`.'),
    memory: size('16m', '4096g').optional().describe('Memory limit of a slot. Default: none.'),
    'read-only': z
      .boolean({ error: 'must be true or false' })
      .optional()
      .describe("The image's own files cannot be changed, but for /tmp, /var/tmp, /run and /root. Default false."),
  },
  { error: 'must be a mapping with image or build' },
);

const cache = z.strictObject(
  {
    key: paths.optional().describe('Layer: plain file names (lockfiles); a change of one of them makes a new layer.'),
    paths: paths.optional().describe('Layer: folders or files that `install` makes, from the top of the repository.'),
    install: script.optional().describe('Layer: the command that fills `paths`, run once per key.'),
    volume: z
      .string({ error: 'must be a path' })
      .check(checked(volumePathFault))
      .optional()
      .describe('Volume: absolute path of a folder that is kept between runs and that jobs write to.'),
  },
  { error: 'must be a mapping: key, paths and install for a layer, or volume' },
);

export const pipelineSchema = z.strictObject(
  {
    name: z
      .string({ error: 'must be text' })
      .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_. -]{0,98}[A-Za-z0-9_.-])?$/, {
        error: `must be made of ${NAME_RULE}; spaces are allowed inside. Rename it`,
      })
      .optional()
      .describe('Name of the pipeline, part of every status context. Default: the file name without its ending.'),
    on: on.optional().describe('When it runs: `push`, `pull_request`, a list of them, or a mapping. Default: both.'),
    include: includes
      .optional()
      .describe('Files of the repository with `env`, `vars`, `defaults`, `cache` and `jobs` for this pipeline.'),
    env: env.optional().describe('Variables of all jobs.'),
    vars: z
      .record(identifier, scalar, { error: 'must be a mapping from names to values' })
      .optional()
      .describe('Values for expressions: `vars.<name>`.'),
    'run-name': line
      .optional()
      .describe('What people see of a run; may hold expressions. Default: the name of the pipeline.'),
    concurrency: concurrency
      .optional()
      .describe('Runs of one group, one at a time; of those that wait only the newest stays.'),
    permissions: z.unknown().optional().describe('Taken from GitHub Actions, without effect here.'),
    defaults: defaults.optional().describe('What steps take when neither they nor their job say something else.'),
    sidecar: sidecar.optional().describe('The warm image that slots are made from.'),
    phases: z
      .array(safeName, { error: 'must be a list of names' })
      .min(1, { error: 'must hold at least one name' })
      .optional()
      .describe('Groups of jobs in order: a job without `needs` waits for all jobs of earlier phases.'),
    cache: z
      .record(safeName, cache, { error: 'must be a mapping from names to caches' })
      .optional()
      .describe('Caches that jobs may use, by name.'),
    jobs: z.record(safeName, job, { error: 'must be a mapping from names to jobs' }).describe('The jobs, by name.'),
  },
  { error: 'must be a mapping with the key jobs' },
);

export type PipelineInput = z.output<typeof pipelineSchema>;
export type JobInput = z.output<typeof job>;
export type CacheInput = z.output<typeof cache>;

/** Keys of each kind of mapping, and those that a later version brings: they get another sentence than a typing error. */
export const keysOf = {
  top: {
    known: Object.keys(pipelineSchema.shape),
    later: [],
  },
  ...eventKeys,
  sidecar: { known: Object.keys(sidecar.shape), later: [] },
  build: { known: ['context', 'file'], later: [] },
  cache: { known: Object.keys(cache.shape), later: [] },
  job: {
    known: Object.keys(job.shape),
    later: ['matrix', 'environment', 'uses', 'with'],
  },
  strategy: { known: Object.keys(strategy.shape), later: [] },
  container: { known: Object.keys(containerKeys.shape), later: ['options', 'ports', 'volumes', 'credentials'] },
  service: { known: Object.keys(service.shape), later: ['volumes', 'credentials'] },
  health: { known: Object.keys(health.shape), later: [] },
  image: { known: imageKeys.image, later: [] },
  credentials: { known: imageKeys.credentials, later: [] },
  verify: { known: imageKeys.verify, later: [] },
  defaults: { known: Object.keys(defaults.shape), later: [] },
  defaultsRun: { known: Object.keys(defaultsRun.shape), later: [] },
  need: { known: ['job', 'artifact', 'artifacts', 'optional'], later: [] },
  secret: { known: secretUseKeys, later: [] },
  artifact: { known: artifactKeys, later: ['name', 'exclude', 'reports', 'untracked'] },
  concurrency: { known: ['group', 'cancel-in-progress'], later: ['queue'] },
  retry: { known: ['max', 'when'], later: [] },
  resources: { known: Object.keys(resources.shape), later: [] },
  step: {
    known: Object.keys(step.shape),
    later: [],
  },
} as const;
