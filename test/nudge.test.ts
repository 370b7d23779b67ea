import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listenForNudges, nudge } from '../src/nudge.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-nudge-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('a nudge arrives at who listens', async () => {
  let nudges = 0;
  await using _listener = await listenForNudges(join(folder, 'a.sock'), () => (nudges += 1));
  nudge(join(folder, 'a.sock'));
  await expect.poll(() => nudges).toBe(1);
});

it('a nudge to nobody is lost without harm', async () => {
  nudge(join(folder, 'nobody.sock'));
  await using listener = await listenForNudges(join(folder, 'nobody.sock'), () => undefined);
  expect(listener).toBeDefined();
});

it('the socket of a process that died is taken over', async () => {
  await writeFile(join(folder, 'a.sock'), '');
  let nudges = 0;
  await using _listener = await listenForNudges(join(folder, 'a.sock'), () => (nudges += 1));
  nudge(join(folder, 'a.sock'));
  await expect.poll(() => nudges).toBe(1);
});

it('a path that is too long for a socket means no nudges, not a daemon that does not start', async () => {
  const path = join(folder, 'x'.repeat(120), 'a.sock');
  await using listener = await listenForNudges(path, () => undefined);
  nudge(path);
  expect(listener).toBeDefined();
});
