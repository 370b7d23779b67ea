/** Puts what the actions of a file stand for beside what its keys say. */
import type { Actions } from './actions.ts';
import type { CacheSpec, JobTemplate, Pipeline } from '../pipeline/pipeline.ts';

export function withActions(pipeline: Pipeline, { jobs, notes }: Actions): Pipeline {
  const volumes = new Set([...jobs.values()].flatMap((job) => job.volumes));
  // A path is no name that a file can give, so it takes no cache's place, and jobs of one repository share it.
  const caches = [...volumes].map((path): [string, CacheSpec] => [path, { kind: 'volume', path }]);
  return {
    ...pipeline,
    caches: { ...pipeline.caches, ...Object.fromEntries(caches) },
    notes: [...pipeline.notes, ...notes],
    jobs: pipeline.jobs.map((job): JobTemplate => {
      const own = jobs.get(job.name);
      if (own === undefined) return job;
      return {
        ...job,
        artifacts: [...job.artifacts, ...own.artifacts],
        caches: [...job.caches, ...own.volumes],
        ...(own.downloads.length === 0 ? {} : { downloads: own.downloads }),
      };
    }),
  };
}
