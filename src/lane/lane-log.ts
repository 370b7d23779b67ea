/** The log of a job that runs elsewhere: a line is in it once, also after a restart in the middle. */
import type { Claim, JobLogs, JobLogWriter } from '../core/ports.ts';

export interface LaneLog {
  /** Lines that are there already are left out. */
  say(...lines: readonly string[]): Promise<void>;
  /** Makes it durable. */
  finish(): Promise<{ readonly sha256: string; readonly bytes: number }>;
}

export async function openLaneLog(
  logs: Pick<JobLogs, 'read'>,
  { job }: Claim,
  writer: JobLogWriter,
  mask: (text: string) => string,
): Promise<LaneLog> {
  const parts: Uint8Array[] = [];
  for await (const part of logs.read(job.runId, job.id, job.attempt, 0, writer.bytes)) parts.push(part);
  const text = Buffer.concat(parts).toString('utf8');
  const said = new Set(text.split('\n').slice(0, -1));
  // What a process had begun to write when it died.
  let gap = text === '' || text.endsWith('\n') ? '' : '\n';
  return {
    async say(...lines) {
      const fresh = lines.map(mask).filter((line) => !said.has(line));
      if (fresh.length === 0) return;
      await writer.append(Buffer.from(`${gap}${fresh.join('\n')}\n`));
      gap = '';
      for (const line of fresh) said.add(line);
    },
    finish: () => writer.finish(),
  };
}
