import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startLoop } from '../src/loop.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const noError = (error: unknown): never => {
  throw error;
};

/** A tick that ends when it is told to. */
function gatedTick() {
  const ends: (() => void)[] = [];
  const tick = vi.fn(
    () =>
      new Promise<void>((resolve) => {
        ends.push(resolve);
      }),
  );
  return {
    tick,
    async end() {
      ends.shift()?.();
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

test('ticks at once, and again when the interval after a tick is over', async () => {
  const tick = vi.fn(() => Promise.resolve());
  await using _loop = startLoop(tick, { intervalMs: 1000, onError: noError });
  await vi.advanceTimersByTimeAsync(0);
  expect(tick).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(999);
  expect(tick).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(tick).toHaveBeenCalledTimes(2);
});

test('a wake ticks without waiting for the timer', async () => {
  const tick = vi.fn(() => Promise.resolve());
  await using loop = startLoop(tick, { intervalMs: 1000, onError: noError });
  await vi.advanceTimersByTimeAsync(10);
  loop.wake();
  await vi.advanceTimersByTimeAsync(0);
  expect(tick).toHaveBeenCalledTimes(2);
});

test('never two ticks at once; any number of wakes during one causes exactly one more', async () => {
  const { tick, end } = gatedTick();
  const loop = startLoop(tick, { intervalMs: 1000, onError: noError });
  await vi.advanceTimersByTimeAsync(0);
  loop.wake();
  loop.wake();
  await vi.advanceTimersByTimeAsync(5000);
  expect(tick).toHaveBeenCalledTimes(1);
  await end();
  expect(tick).toHaveBeenCalledTimes(2);
  await end();
  expect(tick).toHaveBeenCalledTimes(2);
  await loop[Symbol.asyncDispose]();
});

test('a failed tick is reported and the wait doubles with each failure in a row, up to the limit', async () => {
  const failure = new Error('the store is away');
  const times: number[] = [];
  const onError = vi.fn();
  const tick = (): Promise<void> => {
    times.push(Date.now());
    return times.length <= 5 ? Promise.reject(failure) : Promise.resolve();
  };
  await using _loop = startLoop(tick, { intervalMs: 1000, maxBackoffMs: 5000, onError });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(times.slice(1, 8).map((time, index) => time - (times[index] ?? 0))).toEqual([
    1000, 2000, 4000, 5000, 5000, 1000, 1000,
  ]);
  expect(onError.mock.calls).toEqual(Array.from({ length: 5 }, () => [failure]));
});

test('a wake does not cut a back-off short, and is not forgotten', async () => {
  const tick = vi.fn(() => Promise.resolve());
  tick.mockRejectedValueOnce(new Error('once'));
  await using loop = startLoop(tick, { intervalMs: 1000, onError: () => undefined });
  await vi.advanceTimersByTimeAsync(1);
  loop.wake();
  await vi.advanceTimersByTimeAsync(500);
  expect(tick).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(500);
  expect(tick).toHaveBeenCalledTimes(2);
});

test('disposing aborts the running tick, waits for its end and reports nothing of it', async () => {
  const onError = vi.fn();
  let isOver = false;
  const loop = startLoop(
    (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () =>
          setTimeout(() => {
            isOver = true;
            reject(new Error('interrupted'));
          }, 50),
        );
      }),
    { intervalMs: 1000, onError },
  );
  await vi.advanceTimersByTimeAsync(0);
  const disposed = loop[Symbol.asyncDispose]();
  await vi.advanceTimersByTimeAsync(50);
  await disposed;
  expect(isOver).toBe(true);
  expect(onError).not.toHaveBeenCalled();
});

test('does not tick any more after it was disposed, not even when woken', async () => {
  const tick = vi.fn(() => Promise.resolve());
  const loop = startLoop(tick, { intervalMs: 1000, onError: noError });
  await vi.advanceTimersByTimeAsync(0);
  await loop[Symbol.asyncDispose]();
  loop.wake();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(tick).toHaveBeenCalledTimes(1);
});

test('a tick may wake its own loop', async () => {
  let ticks = 0;
  const loop = startLoop(
    () => {
      if (++ticks < 3) loop.wake();
      return Promise.resolve();
    },
    { intervalMs: 60_000, onError: noError },
  );
  await vi.advanceTimersByTimeAsync(0);
  expect(ticks).toBe(3);
  await loop[Symbol.asyncDispose]();
});
