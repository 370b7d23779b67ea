/** Whether an error of the system carries one of these codes (`ENOENT`, `EBUSY`, …). */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}
