/** What the monitor knows of the hub: stats asked for every second, events as they come, over any number of reconnects. */
import { z } from 'zod';
import { pause } from '../pause.ts';

const figures = z.object({ n: z.number(), p50: z.number().nullable(), p95: z.number().nullable() });

/** The part of the hub's stats that is shown. */
export const statsSchema = z.object({
  at: z.string(),
  startedAt: z.string(),
  uptimeMs: z.number(),
  memoryBytes: z.number(),
  agents: z.object({
    connected: z.number(),
    max: z.number(),
    byTenant: z.record(z.string(), z.array(z.object({ agent: z.string(), since: z.string() }))),
  }),
  episodes: z.object({ total: z.number(), byTenant: z.record(z.string(), z.number()) }),
  syncs: z.object({ total: z.number(), byTenant: z.record(z.string(), z.number()) }),
  latencies: z.record(z.string(), figures),
  goodbyes: z.array(z.string()),
  memory: z.object({ says: z.string() }),
});
export type HubStats = z.infer<typeof statsSchema>;

export const eventSchema = z.object({
  number: z.number(),
  atMs: z.number(),
  kind: z.enum(['lifecycle', 'task', 'memory', 'message']),
  name: z.string(),
  tenant: z.string(),
  agent: z.string(),
  detail: z.string(),
});
export type FeedEvent = z.infer<typeof eventSchema>;

export interface FeedState {
  readonly stats: HubStats | undefined;
  /** When the stats came, by this machine's clock in ms; undefined = never. */
  readonly freshAtMs: number | undefined;
  /** Why there are no newer ones; undefined = there is no trouble. */
  readonly trouble: string | undefined;
  /** Oldest first. */
  readonly events: readonly FeedEvent[];
}

export interface Feed {
  state(): FeedState;
  /** Calls `listener` after every change until the returned function is called. */
  follow(listener: () => void): () => void;
  stop(): Promise<void>;
}

export interface FeedOptions {
  /** The hub's second port. */
  readonly url: string;
  readonly token: string;
  readonly everyMs?: number;
}

const KEPT_EVENTS = 400;
const TIMEOUT_MS = 3000;

export function startFeed({ url, token, everyMs = 1000 }: FeedOptions): Feed {
  const stopping = new AbortController();
  const listeners = new Set<() => void>();
  const headers = { authorization: `Bearer ${token}` };
  let state: FeedState = {
    stats: undefined,
    freshAtMs: undefined,
    trouble: 'The hub was not reached yet.',
    events: [],
  };
  /** The start of the hub whose events are kept, and the number of the last one. */
  let of: string | undefined;
  let lastNumber = 0;
  const isStopping = (): boolean => stopping.signal.aborted;

  function change(more: Partial<FeedState>): void {
    state = { ...state, ...more };
    for (const listener of listeners) listener();
  }

  async function askForStats(): Promise<void> {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetch(`${url}/stats`, { headers, signal });
    if (response.status !== 200) throw new Error(`/stats answered ${response.status}`);
    const result = statsSchema.safeParse(await response.json());
    if (!result.success) throw new Error('the token opens no names; give FEDERATION_READ_TOKEN');
    const stats = result.data;
    change({ stats, freshAtMs: Date.now(), trouble: undefined });
  }

  async function readEvents(): Promise<void> {
    const query = new URLSearchParams({ after: String(lastNumber), ...(of === undefined ? {} : { of }) });
    const response = await fetch(`${url}/events?${query.toString()}`, { headers, signal: stopping.signal });
    if (response.status !== 200 || response.body === null) throw new Error(`/events answered ${response.status}`);
    const startedAt = response.headers.get('x-hub-started-at') ?? undefined;
    if (startedAt !== of) {
      // A hub that was started again counts its events from 1, and sends them all.
      [of, lastNumber] = [startedAt, 0];
      change({ events: [] });
    }
    let text = '';
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = `${text}${part}`.split('\n\n');
      text = blocks.pop() ?? '';
      const events = blocks.flatMap(readEvent).filter(({ number }) => number > lastNumber);
      lastNumber = events.at(-1)?.number ?? lastNumber;
      if (events.length > 0) change({ events: [...state.events, ...events].slice(-KEPT_EVENTS) });
    }
  }

  async function again(work: () => Promise<void>, whatFor: string): Promise<void> {
    while (!isStopping()) {
      try {
        await work();
      } catch (error) {
        const why = error instanceof Error ? `${error.message}${causeOf(error)}` : String(error);
        if (!isStopping()) change({ trouble: `${whatFor}: ${why}` });
      }
      await pause(everyMs, stopping.signal);
    }
  }

  const running = Promise.all([again(askForStats, 'stats'), again(readEvents, 'events')]);
  return {
    state: () => state,
    follow(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** The event of one block of a stream; none for a comment. */
function readEvent(block: string): readonly FeedEvent[] {
  const data = block.split('\n').find((line) => line.startsWith('data: '));
  return data === undefined ? [] : [eventSchema.parse(JSON.parse(data.slice('data: '.length)))];
}

/** fetch says "fetch failed" and keeps what happened in the cause. */
function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` (${error.cause.message})` : '';
}
