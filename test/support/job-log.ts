/** A job's log without the line about its slot, which depends on what ran before; prewarm.test.ts looks at that line. */
export function withoutSlot(log: string): string {
  return log.replace(/^slot: .*\n/m, '');
}
