import { expect, it } from 'vitest';
import { openProgress } from '../../provision/setup/progress.ts';

function recorded(times: readonly number[]): {
  readonly lines: () => string;
  readonly progress: ReturnType<typeof openProgress>;
} {
  const left = [...times];
  let text = '';
  const progress = openProgress({ write: (more) => (text += more), now: () => left.shift() ?? 0 });
  return { lines: () => text, progress };
}

it('a long step is one line with the time it took', async () => {
  const { lines, progress } = recorded([1000, 3140]);
  await expect(progress.step('Docker engine', 'starting dockerd', () => Promise.resolve(7))).resolves.toBe(7);
  expect(lines()).toBe('hearth set-up: Docker engine: starting dockerd … 2.1 s\n');
});

it('a failed step says so on its line and passes its error on', async () => {
  const { lines, progress } = recorded([0, 400]);
  const broken = new Error('no space left');
  await expect(progress.step('base image', 'importing', () => Promise.reject(broken))).rejects.toBe(broken);
  expect(lines()).toBe('hearth set-up: base image: importing … failed after 0.4 s\n');
});
