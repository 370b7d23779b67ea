/** Artifacts of runs for download, as tar archives that are made while they are sent. Read like logs. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response, Router } from 'express';
import type { ArtifactFiles, Clock, Store } from '../core/ports.ts';
import type { Access } from './access.ts';
import { createRouter, isPrematureClose, route, runIdOf, sendError, sendNotFound } from './reply.ts';

export interface ArtifactRouteParts {
  readonly store: Pick<Store, 'findRun' | 'resultsOf'>;
  readonly artifacts: ArtifactFiles;
  readonly clock: Clock;
  readonly access: Access;
  readonly onError: (error: unknown) => void;
}

export function artifactsRouter({ store, artifacts, clock, access, onError }: ArtifactRouteParts): Router {
  async function send(request: Request, response: Response): Promise<void> {
    const id = runIdOf(request);
    const right = access.rightToRead(request);
    const found = id !== undefined && (right.kind === 'all' || right.run === id) ? await store.findRun(id) : undefined;
    const { job, name } = request.params;
    const artifact =
      found && (await store.resultsOf(found.run.id)).artifacts.find((one) => one.job === job && one.name === name);
    if (found === undefined || artifact === undefined) {
      sendNotFound(response);
      return;
    }
    const tar = artifact.expiresAt <= clock.now() ? undefined : await artifacts.tar(found.run, artifact);
    if (tar === undefined) {
      sendError(
        response,
        410,
        'This artifact is gone: its time (expire-in) is over. Run the job again to have it back.',
      );
      return;
    }
    response.set({
      'Content-Type': 'application/x-tar',
      'Content-Disposition': `attachment; filename="${found.run.id}-${artifact.name}.tar"`,
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    try {
      await pipeline(Readable.from(tar, { objectMode: false }), response);
    } catch (error) {
      // The reader left; that is no trouble of ours. Anything else must not look like a whole archive.
      if (!isPrematureClose(error)) onError(error);
      response.destroy();
    }
  }

  const router = createRouter();
  route(router, '/api/v1/runs/:id/artifacts/:job/:name', { get: send });
  return router;
}
