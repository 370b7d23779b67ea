/** The HTTP surface, composed of small routers. It gets ports and knows neither a database nor a container. */
import express, { type Express } from 'express';
import type { ArtifactFiles, JobLogs, Store } from '../core/ports.ts';
import { createAccess, type AccessOptions } from './access.ts';
import { apiRouter, type ApiParts } from './api-route.ts';
import { artifactsRouter } from './artifacts-route.ts';
import { healthRouter, type HealthProbe } from './health.ts';
import type { Links } from './links.ts';
import { logsRouter } from './logs-route.ts';
import { errorHandler, safeHeaders, sendNotFound } from './reply.ts';
import { webhookRouter, type WebhookParts } from './webhook-route.ts';

export interface AppParts extends Omit<WebhookParts, 'store'>, Omit<ApiParts, 'store' | 'access' | 'links'> {
  readonly store: Pick<
    Store,
    | 'recordDelivery'
    | 'findIntake'
    | 'knownRepo'
    | 'findRun'
    | 'resultsOf'
    | 'runsOfSha'
    | 'listRuns'
    | 'cancel'
    | 'rerun'
    | 'approve'
  >;
  readonly logs: Pick<JobLogs, 'size' | 'read'>;
  readonly artifacts: ArtifactFiles;
  readonly links: Links;
  readonly access: Omit<AccessOptions, 'links'>;
  readonly probes: readonly HealthProbe[];
  /** Names of the probes without which no delivery can be taken (`/readyz`). */
  readonly readyNeeds: readonly string[];
  /** Resolves after `ms`, or early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** What no answer could say: bugs and lost systems. For the log. */
  readonly onError: (error: unknown) => void;
}

export function createApp(parts: AppParts): Express {
  const access = createAccess({ ...parts.access, links: parts.links });
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.enable('case sensitive routing').enable('strict routing').set('query parser', 'simple');
  app.use(safeHeaders);
  app.use(webhookRouter(parts));
  app.use(healthRouter({ ...parts, access }));
  app.use(logsRouter({ ...parts, access }));
  app.use(artifactsRouter({ ...parts, access }));
  app.use(apiRouter({ ...parts, access }));
  app.use((_request, response) => {
    sendNotFound(response);
  });
  app.use(errorHandler(parts.onError));
  return app;
}
