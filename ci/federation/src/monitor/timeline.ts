/** Where on the drawing an event stands: time to the right, one lane for each agent, one colour for each kind. */
import type { FeedEvent } from './hub-feed.ts';

export interface Timeline {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly { readonly label: string; readonly y: number }[];
  readonly ticks: readonly { readonly label: string; readonly x: number }[];
  readonly marks: readonly Mark[];
}

export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly kind: FeedEvent['kind'];
  readonly title: string;
}

const WIDTH = 900;
const LABEL_WIDTH = 230;
const LANE_HEIGHT = 26;
const TICK_HEIGHT = 20;
/** Kinds stand one below the other within a lane, so that none hides another. */
const OFFSETS = { lifecycle: 4, task: 10, memory: 16, message: 22 } as const;
export const WINDOW_MS = 60_000;
const TICK_MS = 10_000;

/** The last minute up to `nowMs`, or the minute up to the last event when nothing has happened since. */
export function timelineOf(events: readonly FeedEvent[], nowMs: number): Timeline {
  const last = events.at(-1)?.atMs ?? nowMs;
  const end = nowMs - last > WINDOW_MS ? last : nowMs;
  const shown = events.filter(({ atMs }) => atMs > end - WINDOW_MS && atMs <= end + TICK_MS);
  const names = [...new Set(shown.map(nameOf))].toSorted();
  const xOf = (atMs: number): number => {
    const share = Math.min(1, (atMs - (end - WINDOW_MS)) / WINDOW_MS);
    return Math.round((LABEL_WIDTH + share * (WIDTH - LABEL_WIDTH - 10)) * 10) / 10;
  };
  return {
    width: WIDTH,
    height: TICK_HEIGHT + Math.max(1, names.length) * LANE_HEIGHT,
    lanes: names.map((label, index) => ({ label, y: TICK_HEIGHT + index * LANE_HEIGHT })),
    ticks: Array.from({ length: WINDOW_MS / TICK_MS + 1 }, (_none, index) => ({
      label: `${index * (TICK_MS / 1000) - WINDOW_MS / 1000} s`,
      x: xOf(end - WINDOW_MS + index * TICK_MS),
    })),
    marks: shown.map((event) => ({
      x: xOf(event.atMs),
      y: TICK_HEIGHT + names.indexOf(nameOf(event)) * LANE_HEIGHT + OFFSETS[event.kind],
      kind: event.kind,
      title: `${event.name} ${event.detail}`.trim(),
    })),
  };
}

function nameOf({ tenant, agent }: FeedEvent): string {
  return `${tenant}/${agent}`;
}
