/** An episode: what an agent did once, and how good it was. The unit that is stored and shared. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Identity } from './names.ts';

const text = z.string().max(4000);

const contentShape = {
  /** 1, 2, 3 … for each agent, without a gap. */
  sequence: z.int().min(1),
  task: z.string().min(1).max(200),
  input: text,
  output: text,
  critique: text,
  /** 0 to 1. */
  reward: z.number().min(0).max(1),
  success: z.boolean(),
  /** When the agent stored it, by its own clock. */
  at: z.iso.datetime(),
};

export const episodeContentSchema = z.strictObject(contentShape);
export const episodeSchema = z.strictObject({ ...contentShape, digest: z.string().regex(/^[0-9a-f]{64}$/) });

export type EpisodeContent = z.infer<typeof episodeContentSchema>;
/** `digest` is {@link digestOf} its content. */
export type Episode = z.infer<typeof episodeSchema>;

/**
 * SHA-256 over who made it and what is in it, as 64 hex digits. Equal digests are the same episode of the same agent of
 * the same tenant, so that whoever has one can prove what it received and from where.
 */
export function digestOf({ tenant, agent }: Identity, content: EpisodeContent): string {
  const { sequence, task, input, output, critique, reward, success, at } = content;
  const parts = [tenant, agent, sequence, task, input, output, critique, reward, success, at];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
