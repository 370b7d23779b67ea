/** How an agent without a port tells that it is well: a small file that its container's health check reads. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentState } from './agent.ts';

const schema = z.object({ atMs: z.number(), isConnected: z.boolean(), isDone: z.boolean(), freshForMs: z.number() });

/** Never half written. */
export function writeHealth(file: string, { isConnected, isDone }: AgentState, freshForMs: number): void {
  writeFileSync(`${file}.new`, JSON.stringify({ atMs: Date.now(), isConnected, isDone, freshForMs }));
  renameSync(`${file}.new`, file);
}

/** Undefined = well: it is done, or it is connected and has synced lately. Otherwise why not. */
export function healthTrouble(file: string, nowMs: number): string | undefined {
  const { atMs, isConnected, isDone, freshForMs } = schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  if (isDone) return undefined;
  if (!isConnected) return 'The agent is not connected to the hub.';
  return nowMs - atMs > freshForMs ? `The agent has not synced for ${nowMs - atMs} ms.` : undefined;
}
