/** `/logs/:sha` and `/logs/:sha/:job`. A commit that is missing and one that may not be read look the same. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Request, Response, Router } from 'express';
import type { RunWithJobs, Store } from '../core/ports.ts';
import type { Access } from './access.ts';
import { composeLog, followLog, selectJobs, type LogOf, type LogParts } from './log-text.ts';
import { parseRange } from './range.ts';
import { createRouter, isPrematureClose, route, sendNotFound } from './reply.ts';

export interface LogRouteParts extends LogParts {
  readonly store: Pick<Store, 'findRun' | 'runsOfSha'>;
  readonly access: Access;
  readonly onError: (error: unknown) => void;
}

export function logsRouter(parts: LogRouteParts): Router {
  const { store, access } = parts;

  /** Newest run of each pipeline, or just the run that a link names. */
  async function readableRuns(request: Request, prefix: string): Promise<readonly RunWithJobs[]> {
    const right = access.rightToRead(request);
    if (right.run !== null) {
      const named = await store.findRun(right.run);
      return named?.run.sha.startsWith(prefix) === true ? [named] : [];
    }
    return right.kind === 'all' ? store.runsOfSha(prefix) : [];
  }

  async function sendLog(request: Request, response: Response): Promise<void> {
    const prefix = String(request.params['sha']).toLowerCase();
    const job = request.params['job'] === undefined ? null : String(request.params['job']);
    const runs = SHA_PREFIX.test(prefix) ? await readableRuns(request, prefix) : [];
    const shas = [...new Set(runs.map(({ run }) => run.sha))];
    if (shas.length > 1 && !shas.includes(prefix)) {
      sendCandidates(response, shas, job);
      return;
    }
    const selected = selectJobs(
      runs.filter(({ run }) => run.sha === (shas.includes(prefix) ? prefix : shas[0])),
      job,
    );
    // A run without jobs is there all the same: its outcome says why.
    if (selected.length === 0 && (job !== null || runs.length === 0)) sendNotFound(response);
    else if (selected.length === 0) sendOutcomes(response, runs);
    else if (request.query['follow'] === '1') await follow(request, response, selected);
    else await sendNow(request, response, selected);
  }

  async function sendNow(request: Request, response: Response, selected: readonly LogOf[]): Promise<void> {
    const log = await composeLog(parts, selected);
    const range = parseRange(request.headers.range, log.bytes);
    asText(response);
    response.set('Accept-Ranges', 'bytes');
    if (range.kind === 'unsatisfiable') {
      response.status(416).set('Content-Range', `bytes */${log.bytes}`).end();
      return;
    }
    const { start, end } = range.kind === 'part' ? range : { start: 0, end: log.bytes };
    if (range.kind === 'part') response.status(206).set('Content-Range', `bytes ${start}-${end - 1}/${log.bytes}`);
    response.set('Content-Length', String(end - start));
    await stream(request, response, () => log.read(start, end));
  }

  async function follow(request: Request, response: Response, selected: readonly LogOf[]): Promise<void> {
    asText(response);
    // Proxies would hold lines back until they have a bufferful.
    response.set('X-Accel-Buffering', 'no');
    response.flushHeaders();
    const left = new AbortController();
    response.once('close', () => {
      left.abort();
    });
    await stream(request, response, () => followLog(parts, selected, left.signal));
  }

  async function stream(request: Request, response: Response, open: () => AsyncIterable<Uint8Array>): Promise<void> {
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    try {
      await pipeline(Readable.from(open(), { objectMode: false }), response);
    } catch (error) {
      // The reader closed the page; that is no trouble of ours.
      if (!isPrematureClose(error)) parts.onError(error);
      response.destroy();
    }
  }

  const router = createRouter();
  route(router, '/logs/:sha', { get: sendLog });
  route(router, '/logs/:sha/:job', { get: sendLog });
  return router;
}

const SHA_PREFIX = /^[0-9a-f]{7,64}$/;

/** The address is not one log but several; RFC 9110 §15.4.1. */
function sendCandidates(response: Response, shas: readonly string[], job: string | null): void {
  asText(response);
  const rest = job === null ? '' : `/${encodeURIComponent(job)}`;
  response.status(300).send(shas.map((sha) => `/logs/${sha}${rest}\n`).join(''));
}

function sendOutcomes(response: Response, runs: readonly RunWithJobs[]): void {
  asText(response);
  response.send(
    runs
      .map(
        ({ run }) =>
          `--- ${run.pipeline}: ${run.outcome?.result ?? run.state}: ${run.outcome?.message ?? 'no jobs yet'} ---\n`,
      )
      .join(''),
  );
}

function asText(response: Response): void {
  response.set('Content-Type', 'text/plain; charset=utf-8');
}
