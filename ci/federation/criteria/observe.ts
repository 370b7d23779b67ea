/** Watches a federation that runs: waits for its goodbyes with the monitor's page open, then copies the hub's database. */
import { statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Page } from 'playwright-core';
import { z } from 'zod';
import { readDatabase, type DatabaseRows, type Observations, type PageSample } from './observations.ts';
import { identityText, type Identity } from '../src/protocol/names.ts';

export interface ObserveOptions {
  readonly expected: readonly Identity[];
  /** The hub's second port. */
  readonly statsUrl: string;
  readonly monitorUrl: string;
  readonly adminToken: string;
  readonly chromiumPath: string;
  /** Longest wait for the goodbyes, in ms. What is missing then is missing in the observations. */
  readonly deadlineMs: number;
  /** Where the copy of the database goes. */
  readonly databaseFile: string;
  /** Where a picture of the page goes; undefined = nowhere. */
  readonly pictureFile: string | undefined;
  say(line: string): void;
}

const EVERY_MS = 1000;
/** The page follows the hub within a second or two. */
const CATCH_UP_MS = 15_000;
const REACH_MS = 60_000;
const TIMEOUT_MS = 15_000;

const statsSchema = z.object({
  goodbyes: z.array(z.string()),
  memoryBytes: z.number(),
  agents: z.object({ connected: z.number() }),
});
const monitorSchema = z.object({ memoryBytes: z.number() });

/** Rejects, saying which, when the hub or the monitor cannot be reached at all. */
export async function observe(options: ObserveOptions): Promise<Observations> {
  const { statsUrl, monitorUrl, deadlineMs, databaseFile, say } = options;
  await reach(`${statsUrl}/health`);
  await reach(`${monitorUrl}/health`);
  const flags = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
  ];
  const browser = await chromium.launch({
    executablePath: options.chromiumPath,
    args: [...flags, '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(monitorUrl);
    say('hub and monitor are healthy and the page is open; waiting for the goodbyes');
    const samples = await watch(options, page, performance.now() + deadlineMs);
    await fetchTo(databaseFile, options);
    const rows = readDatabase(databaseFile);
    const lastPage = await readUntil(page, rows);
    if (options.pictureFile !== undefined) await page.screenshot({ path: options.pictureFile, fullPage: true });
    const { memoryBytes: hub } = await getStats(options);
    const { memoryBytes: monitor } = monitorSchema.parse(await getJson(`${monitorUrl}/health`));
    const databaseBytes = statSync(databaseFile).size;
    return {
      ...rows,
      expected: options.expected,
      page: samples,
      lastPage,
      databaseBytes,
      memoryBytes: { hub, monitor },
    };
  } finally {
    await browser.close();
  }
}

/** Samples the page until all have said goodbye and left, or the deadline. */
async function watch(options: ObserveOptions, page: Page, deadline: number): Promise<readonly PageSample[]> {
  const names = options.expected.map(identityText);
  const samples: PageSample[] = [];
  while (performance.now() < deadline) {
    const sample = await readPage(page);
    if (sample !== undefined) samples.push(sample);
    const { goodbyes, agents } = await getStats(options);
    if (names.every((name) => goodbyes.includes(name)) && agents.connected === 0) return samples;
    await sleep(EVERY_MS);
  }
  options.say('not all agents have said goodbye by the deadline');
  return samples;
}

/** What the page shows when it has caught up with the database, or after a while anyway. */
async function readUntil(page: Page, rows: DatabaseRows): Promise<PageSample | undefined> {
  const deadline = performance.now() + CATCH_UP_MS;
  for (;;) {
    const sample = await readPage(page);
    const isSame = sample?.episodes === rows.episodes.length && sample.syncs === rows.syncs.length;
    if (isSame || performance.now() > deadline) return sample;
    await sleep(EVERY_MS / 4);
  }
}

/** Undefined while it shows no numbers yet. */
async function readPage(page: Page): Promise<PageSample | undefined> {
  const number = async (id: string): Promise<number> =>
    Number(await page.locator(`#${id}`).innerText({ timeout: TIMEOUT_MS }));
  const [episodes, syncs, connected] = [await number('episodes'), await number('syncs'), await number('connected')];
  if ([episodes, syncs, connected].some(Number.isNaN)) return undefined;
  return { episodes, syncs, connected, isFresh: (await page.locator('html').getAttribute('data-fresh')) === 'true' };
}

async function reach(url: string): Promise<void> {
  const deadline = performance.now() + REACH_MS;
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status === 200) return;
      throw new Error(`it answers ${response.status}: ${await response.text()}`);
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`${url} is not healthy after ${REACH_MS / 1000} s`, { cause: error });
    }
    await sleep(EVERY_MS / 2);
  }
}

async function getStats({ statsUrl, adminToken }: ObserveOptions): Promise<z.infer<typeof statsSchema>> {
  const result = statsSchema.safeParse(await getJson(`${statsUrl}/stats`, adminToken));
  if (!result.success) throw new Error('The hub shows no names; check FEDERATION_ADMIN_TOKEN.');
  return result.data;
}

async function getJson(url: string, token?: string): Promise<unknown> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  return response.json();
}

async function fetchTo(file: string, { statsUrl, adminToken }: ObserveOptions): Promise<void> {
  const headers = { authorization: `Bearer ${adminToken}` };
  const response = await fetch(`${statsUrl}/database`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status !== 200)
    throw new Error(`The hub gives no database: ${response.status} ${await response.text()}`);
  writeFileSync(file, Buffer.from(await response.arrayBuffer()));
}
