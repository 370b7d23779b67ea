/**
 * What agents and hub say to each other: one JSON object per text frame, each with an `id`. An answer has the id of its
 * request. Both sides check every message against these schemas.
 */
import { z } from 'zod';
import { clockSchema } from './clock.ts';
import { episodeSchema } from './episode.ts';
import { nameSchema, requestIdSchema } from './names.ts';

export const PROTOCOL = 1;
/** Bytes of one frame, both ways. Above, the connection is closed with 1009. */
export const MAX_FRAME_BYTES = 1024 * 1024;
export const MAX_EPISODES_PER_PUSH = 50;
export const MAX_EPISODES_PER_PULL = 100;

const id = requestIdSchema;
const milliseconds = z.number().min(0).max(3_600_000);
const count = z.int().min(0).max(1_000_000_000);

/** The first message of a connection, and only that. */
const helloSchema = z.strictObject({
  type: z.literal('hello'),
  id,
  protocol: z.literal(PROTOCOL),
  tenant: nameSchema,
  agent: nameSchema,
  token: z.string().max(4096),
  /** How long the agent's process has run, in ms. */
  runningMs: milliseconds,
  /** From the begin of the connection to the open socket, in ms. */
  connectMs: milliseconds,
});

/** Stores the sender's next episodes, all or none. May be repeated: the answer is the same. */
const pushSchema = z.strictObject({
  type: z.literal('push'),
  id,
  tenant: nameSchema,
  episodes: z.array(episodeSchema).min(1).max(MAX_EPISODES_PER_PUSH),
});

/** Asks for a page of what the clock has not seen. */
const pullSchema = z.strictObject({
  type: z.literal('pull'),
  id,
  tenant: nameSchema,
  clock: clockSchema,
  limit: z.int().min(1).max(MAX_EPISODES_PER_PULL).optional(),
});

const receiptSchema = z.strictObject({
  from: nameSchema,
  sequence: z.int().min(1),
  /** Computed from what arrived, not copied. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});

/** A request that went beyond the sender's tenant on purpose, and what came of it. */
const attemptSchema = z.strictObject({
  request: requestIdSchema,
  what: z.enum(['hello', 'push', 'pull']),
  tenant: nameSchema,
  /** The error it was refused with; null = it was not refused. */
  code: z.string().max(40).nullable(),
});

/** What the agent measured and received in one sync, for the hub's tables. May be repeated. */
const reportSchema = z.strictObject({
  type: z.literal('report'),
  id,
  sync: z.strictObject({
    id: requestIdSchema,
    iteration: z.int().min(1),
    task: z.string().max(200),
    startedAt: z.iso.datetime(),
    /** Of the connection it ran on; null when an earlier sync told it. */
    connectMs: milliseconds.nullable(),
    authMs: milliseconds.nullable(),
    storeMs: milliseconds,
    pushMs: milliseconds,
    pullMs: milliseconds,
    /** From the first byte of the push to the last of the pull. */
    syncMs: milliseconds,
    pushed: count,
    pulled: count,
  }),
  received: z.array(receiptSchema).max(2000),
  attempts: z.array(attemptSchema).max(100),
  memoryBytes: z.number().min(0),
});

/** The last message: the agent is done and closes the connection when it has the answer. */
const goodbyeSchema = z.strictObject({
  type: z.literal('goodbye'),
  id,
  summary: z.strictObject({
    iterations: count,
    syncs: count,
    meanReward: z.number().min(0).max(1),
    /** Share of iterations with a reward of at least 0.7. */
    successRate: z.number().min(0).max(1),
    /** Connections that could not be opened or ended without being asked to. */
    connectionErrors: count,
    received: count,
    news: count,
  }),
});

export const requestSchema = z.discriminatedUnion('type', [
  helloSchema,
  pushSchema,
  pullSchema,
  reportSchema,
  goodbyeSchema,
]);
export type Request = z.infer<typeof requestSchema>;
export type RequestOf<T extends Request['type']> = Extract<Request, { type: T }>;
export type Summary = RequestOf<'goodbye'>['summary'];
export type Receipt = z.infer<typeof receiptSchema>;
export type Attempt = z.infer<typeof attemptSchema>;

export const REQUEST_TYPES: readonly string[] = requestSchema.options.map((option) => option.shape.type.value);

export const errorCodes = [
  'bad-frame',
  'bad-message',
  'unknown-type',
  'not-authenticated',
  'bad-token',
  'expired-token',
  'wrong-identity',
  'wrong-tenant',
  'bad-digest',
  'gap',
  'conflict',
  'full',
  'unavailable',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

const errorSchema = z.strictObject({
  type: z.literal('error'),
  id,
  code: z.enum(errorCodes),
  /** Says what to do next. */
  message: z.string(),
  /** With `gap`: the sequence that the hub waits for. */
  expected: z.int().optional(),
});

export const pulledSchema = z.strictObject({ agent: nameSchema, episode: episodeSchema });

export const replySchema = z.discriminatedUnion('type', [
  /** To `hello`. `lastSequence` is the agent's last that is stored: it goes on after it. */
  z.strictObject({
    type: z.literal('welcome'),
    id,
    session: z.string(),
    lastSequence: z.int().min(0),
    clock: clockSchema,
  }),
  /** To `push`: everything up to `through` is on the hub's disk. */
  z.strictObject({ type: z.literal('ack'), id, through: z.int().min(1) }),
  /** To `pull`. With `more`, the next page is there for a clock that has seen this one. */
  z.strictObject({ type: z.literal('page'), id, episodes: z.array(pulledSchema), more: z.boolean() }),
  z.strictObject({ type: z.literal('noted'), id }),
  z.strictObject({ type: z.literal('farewell'), id }),
  /** Unasked: others of the tenant have pushed. Several pushes may come as one. */
  z.strictObject({ type: z.literal('news'), id, clock: clockSchema }),
  errorSchema,
]);
export type Reply = z.infer<typeof replySchema>;
export type ErrorReply = z.infer<typeof errorSchema>;
export type Pulled = z.infer<typeof pulledSchema>;

/** Why a connection was closed. Below 4000 as in RFC 6455. */
export const CLOSE = {
  done: 1000,
  stopping: 1001,
  tooBig: 1009,
  full: 1013,
  /** The same agent has connected anew. */
  replaced: 4001,
  /** No hello in time, or its token was refused. */
  unauthorized: 4003,
  /** What was sent could not be understood, too often or before the hello. */
  confused: 4004,
  /** It did not read what was sent to it. */
  tooSlow: 4008,
} as const;
