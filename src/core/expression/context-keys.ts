/** What the contexts of expressions hold whose names are the same for every file. Types hold the code that fills them to it. */
import type { ServiceContext } from '../containers.ts';

export const githubKeys = [
  'actor',
  'base_ref',
  'event',
  'event_name',
  'head_ref',
  'job',
  'ref',
  'ref_name',
  'ref_type',
  'repository',
  'repository_id',
  'repository_owner',
  'run_attempt',
  'run_id',
  'run_number',
  'sha',
  'workflow',
  'workspace',
] as const;
export type GithubKey = (typeof githubKeys)[number];

/** What `github` has there and not here, since it is always the same. */
export const githubAddresses = {
  server_url: 'https://github.com',
  api_url: 'https://api.github.com',
  graphql_url: 'https://api.github.com/graphql',
} as const;

export const strategyKeys = ['fail-fast', 'job-index', 'job-total', 'max-parallel'] as const;
export type StrategyKey = (typeof strategyKeys)[number];

/** Of one job in `needs`. */
export const needKeys = ['result', 'outputs'] as const;
export type NeedKey = (typeof needKeys)[number];

/** Of one step in `steps`. */
export const stepKeys = ['outputs', 'outcome', 'conclusion'] as const;
export type StepKey = (typeof stepKeys)[number];

export const jobKeys = ['status', 'services'] as const;
export type JobKey = (typeof jobKeys)[number];

/** Of one service in `job.services`. */
export const serviceKeys = ['id', 'network', 'ports'] as const satisfies readonly (keyof ServiceContext)[];

export const runnerKeys = ['os', 'name', 'environment', 'temp'] as const;
export type RunnerKey = (typeof runnerKeys)[number];
