/** `/health`, `/livez`, `/readyz`: what is known about each part, how it was found out, and when. */
import type { Request, Response, Router } from 'express';
import type { Clock } from '../core/ports.ts';
import type { Access } from './access.ts';
import { createRouter, route } from './reply.ts';

/** From best to worst; `stale` and `down` answer 503. */
const statuses = ['ok', 'degraded', 'stale', 'down'] as const;
export type HealthStatus = (typeof statuses)[number];

export interface HealthCheck {
  readonly status: HealthStatus;
  /** One sentence; with what to do next unless all is well. */
  readonly reason: string;
  /** When this was found out. */
  readonly at: Date;
}

/** Asked at every request for health, several at once; should answer within two seconds. */
export interface HealthProbe {
  readonly name: string;
  check(): Promise<HealthCheck>;
}

export interface HealthParts {
  readonly probes: readonly HealthProbe[];
  /** Names of the probes without which no delivery can be taken. */
  readonly readyNeeds: readonly string[];
  readonly clock: Clock;
  readonly access: Access;
}

export interface HealthReport {
  readonly status: HealthStatus;
  readonly checks: Readonly<Record<string, HealthCheck>>;
}

const PROBE_TIMEOUT_MS = 2000;

export function healthRouter({ probes, readyNeeds, clock, access }: HealthParts): Router {
  const router = createRouter();

  async function health(request: Request, response: Response): Promise<void> {
    const report = await checkHealth(probes, clock);
    const code = report.status === 'stale' || report.status === 'down' ? 503 : 200;
    response.status(code).json(access.seesDetails(request) ? report : { status: report.status });
  }

  async function ready(_request: Request, response: Response): Promise<void> {
    const { status } = await checkHealth(
      probes.filter(({ name }) => readyNeeds.includes(name)),
      clock,
    );
    response.status(status === 'down' ? 503 : 200).json({ status: status === 'down' ? 'down' : 'ok' });
  }

  route(router, '/health', { get: health });
  route(router, '/readyz', { get: ready });
  route(router, '/livez', {
    get: (_request, response) => {
      response.json({ status: 'ok' });
    },
  });
  return router;
}

/** Asks all probes at once. The worst answer is the answer; a probe that fails or does not answer in time is down. */
export async function checkHealth(probes: readonly HealthProbe[], clock: Clock): Promise<HealthReport> {
  const checks = await Promise.all(probes.map(async (probe) => [probe.name, await checkOne(probe, clock)] as const));
  const worst = checks.reduce((rank, [, { status }]) => Math.max(rank, statuses.indexOf(status)), 0);
  return { status: statuses[worst] ?? 'down', checks: Object.fromEntries(checks) };
}

async function checkOne(probe: HealthProbe, clock: Clock): Promise<HealthCheck> {
  const down = (reason: string): HealthCheck => ({ status: 'down', reason, at: clock.now() });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthCheck>((resolve) => {
    timer = setTimeout(() => {
      resolve(down(`${probe.name} did not answer within ${PROBE_TIMEOUT_MS} ms; look at the log of the service`));
    }, PROBE_TIMEOUT_MS);
  });
  const answer = Promise.resolve()
    .then(() => probe.check())
    .catch((error: unknown) =>
      down(`${probe.name} cannot be checked: ${error instanceof Error ? error.message : String(error)}`),
    );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
