/** What GitHub's refusals mean for the one who asked: try later (when?), or never. */
import type { ForgeTrouble } from '../core/ports.ts';

export interface ForgeResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  /** GitHub's own words. */
  readonly message: string;
}

/** GitHub: with a secondary limit and no header "wait for at least one minute". */
const UNKNOWN_LIMIT_MS = 60_000;
/** No real answer asks for more; a proxy's nonsense must not silence the reporter for ever. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** What to do about refusals whose cause depends on what was asked for; each a whole sentence. */
export interface Cures {
  /** 403: the credential may not. */
  readonly forbidden: string;
  /** 422: it was understood and is wrong. */
  readonly unprocessable: string;
  /** 404; absent = it is about the repository. */
  readonly absent?: string;
}

/** For a response with a status of 400 and more. */
export function troubleOf({ status, headers, message }: ForgeResponse, now: Date, cures: Cures): ForgeTrouble {
  const said = `GitHub answered ${status}: ${oneLine(message)}`;
  const retryAt = retryTime(headers, now);
  if (status === 401)
    return { kind: 'retry', message: `${said}. Replace GITHUB_TOKEN, or check the App's id and key.` };
  if (status === 403 || status === 429) {
    if (retryAt !== undefined) return { kind: 'retry', message: said, retryAt };
    if (status === 429 || /rate limit|abuse/i.test(message)) {
      return { kind: 'retry', message: said, retryAt: new Date(now.getTime() + UNKNOWN_LIMIT_MS) };
    }
    return refused(`${said}. ${cures.forbidden}`);
  }
  if (status === 404)
    return refused(
      `${said}. ${cures.absent ?? 'The repository is gone or the credential cannot see it; grant it access.'}`,
    );
  if (status === 422) return refused(`${said}. ${cures.unprocessable}`);
  if (status < 500 && status !== 408 && status !== 409) return refused(said);
  return retryAt === undefined ? { kind: 'retry', message: said } : { kind: 'retry', message: said, retryAt };
}

/** `retry-after` first, then the reset of a used-up primary limit, as GitHub's documentation orders them. */
function retryTime(headers: ForgeResponse['headers'], now: Date): Date | undefined {
  // Their clock and ours may differ, so an instant of theirs is taken relative to when they said it.
  const theirNow = Date.parse(String(headers['date'])) || now.getTime();
  const after = headers['retry-after'];
  if (after !== undefined) {
    const seconds = Number(after);
    return wait(Number.isFinite(seconds) ? seconds * 1000 : Date.parse(String(after)) - theirNow, now);
  }
  if (String(headers['x-ratelimit-remaining']) !== '0') return undefined;
  // One second more, since the reset is given in whole seconds.
  return wait(Number(headers['x-ratelimit-reset']) * 1000 + 1000 - theirNow, now);
}

function wait(ms: number, now: Date): Date | undefined {
  if (!Number.isFinite(ms)) return undefined;
  return new Date(now.getTime() + Math.min(Math.max(ms, 0), LONGEST_WAIT_MS));
}

function refused(message: string): ForgeTrouble {
  return { kind: 'refused', message };
}

function oneLine(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
