/** Every way in which a runner comes to its end, by name; each is counted. docs/pools.md lists them from here. */
import { timeLimit } from './emulated-limits.ts';

export const endRules = {
  finished: 'Its container ended, as it does after its one job.',
  surplus: 'More runners waited for jobs than were wanted.',
  'gives-way': 'It had no job, and a job of a pipeline waited for what it held.',
  'pool-changed': 'Its pool is defined otherwise now.',
  'pool-stopped': 'Its pool was stopped or removed.',
  'too-old': 'It had no job for as long as `max-lifetime` says.',
  'old-version': 'Its program is older than `min-version`.',
  'unfinished-plan': 'It was on record, and nobody was about to register it any more.',
  'lost-config': 'GitHub knew it, but what it would have logged in with is lost.',
  'not-started': 'It was registered, and nobody was about to start it any more.',
  'start-failed': 'It could not be registered or started.',
  'died-at-start': 'Its container ended before GitHub saw it.',
  'never-online': 'GitHub did not see it in time.',
  'container-lost': 'Its container was removed by somebody else.',
  unregistered: 'GitHub did not know it any more, and its container went on.',
  'did-not-exit': 'Its job was over, and its container went on.',
  offline: 'GitHub lost sight of it.',
} as const;

export const orphanRules = {
  'orphan-registration': 'GitHub had a runner with our label that is not on record.',
  'orphan-container': 'There was a container with our label that is not on record.',
} as const;

export type EndRule = keyof typeof endRules;
export type Rule = EndRule | keyof typeof orphanRules;

/** How long something may last that should pass by itself, in ms. */
export interface Limits {
  /** From the start of a container until GitHub sees the runner. */
  readonly online: number;
  /** Without a job, and GitHub does not see it. */
  readonly offline: number;
  /** With a job: GitHub itself gives such a job up after about a quarter of an hour. */
  readonly busyOffline: number;
  /** From the end of the registration until the container ends by itself. */
  readonly exit: number;
}

const LIMITS: Limits = { online: 120_000, offline: 120_000, busyOffline: 15 * 60_000, exit: 60_000 };

export function limitsOf(isEmulated: boolean): Limits {
  const longer = (ms: number): number => timeLimit({ ms, for: 'start', isEmulated });
  return {
    online: longer(LIMITS.online),
    offline: longer(LIMITS.offline),
    // GitHub does not wait longer for an emulated one.
    busyOffline: LIMITS.busyOffline,
    exit: longer(LIMITS.exit),
  };
}
