/**
 * GitHub's REST API without GitHub: Prism serves GitHub's own OpenAPI description and refuses what the description does
 * not allow. The description comes from npm once per machine and is kept in the cache.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendJson, startFakeApi, type Asked } from './fake-api.ts';

const VERSION = '23.0.2';
const cache = join(import.meta.dirname, '../../node_modules/.cache/hearth');
const description = join(cache, `api.github.com-${VERSION}.json`);
const run = promisify(execFile);

export interface PrismApi extends AsyncDisposable {
  readonly url: string;
  /** What was sent and how Prism judged it. */
  readonly calls: readonly { readonly asked: Asked; readonly status: number; readonly answer: unknown }[];
}

/**
 * Prism's example answers are about other contexts, and a status that is not echoed counts as not sent. So what Prism
 * accepted is answered with the example, changed to what was sent.
 */
export async function startPrism(): Promise<PrismApi> {
  await fetchDescription();
  const port = await freePort();
  const cli = createRequire(import.meta.url).resolve('@stoplight/prism-cli/dist/index.js');
  const prism = spawn(
    process.execPath,
    [cli, 'mock', '--host', '127.0.0.1', '--port', String(port), '--errors', description],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let trouble = '';
  prism.stderr.on('data', (chunk: Buffer) => {
    trouble += chunk.toString();
  });
  const over = new Promise<void>((resolve) =>
    prism.once('exit', () => {
      resolve();
    }),
  );
  const prismUrl = `http://127.0.0.1:${port}`;
  try {
    await answering(
      `${prismUrl}/zen`,
      () => prism.exitCode,
      () => trouble,
    );
  } catch (error) {
    prism.kill();
    throw error;
  }

  const calls: { readonly asked: Asked; readonly status: number; readonly answer: unknown }[] = [];
  const front = await startFakeApi((asked, response) => {
    void judge(prismUrl, asked).then(({ status, answer }) => {
      calls.push({ asked, status, answer });
      sendJson(
        response,
        status,
        status < 300 && typeof asked.body === 'object' ? { ...(answer as object), ...asked.body } : answer,
      );
    });
  });
  return {
    url: front.url,
    calls,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      prism.kill();
      await over;
    },
  };
}

async function judge(
  prismUrl: string,
  { method, path, headers, body }: Asked,
): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(prismUrl + path, {
    method,
    // The description knows no versioned media types.
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      authorization: headers.authorization ?? '',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer: unknown = await response.json();
  const violations = answer !== null && typeof answer === 'object' && 'validation' in answer ? answer.validation : [];
  const places = (violations as readonly { location: readonly string[] }[]).map(({ location }) => location[0]);
  if (response.status === 500 && places.length > 0 && places.every((place) => place === 'response'))
    return { status: 200, answer: await exampleOf(method, path) };
  return { status: response.status, answer };
}

/** Some examples contradict the schema beside them, and Prism then refuses to send them; that is no fault of the request. */
async function exampleOf(method: string, path: string): Promise<unknown> {
  interface Described {
    readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
    readonly components: { readonly examples: Readonly<Record<string, { readonly value: unknown }>> };
  }
  const { paths, components } = JSON.parse(await readFile(description, 'utf8')) as Described;
  const described = Object.entries(paths).find(([template]) =>
    new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(path.split('?')[0] ?? ''),
  )?.[1][method.toLowerCase()];
  const name = /"200":.*?#\/components\/examples\/([^"]+)"/.exec(JSON.stringify(described))?.[1] ?? '';
  return components.examples[name]?.value;
}

/** The package is 390 MB unpacked, so only the one file is taken out of it; renamed at the end, so it is whole or absent. */
async function fetchDescription(): Promise<void> {
  if (
    await stat(description).then(
      () => true,
      () => false,
    )
  )
    return;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'openapi-'));
  try {
    const { stdout } = await run('npm', [
      'pack',
      `@octokit/openapi@${VERSION}`,
      '--silent',
      '--pack-destination',
      folder,
    ]);
    await run('tar', ['-xzf', join(folder, stdout.trim()), '-C', folder, 'package/generated/api.github.com.json']);
    await rename(join(folder, 'package/generated/api.github.com.json'), description);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answering(url: string, exitCode: () => number | null, trouble: () => string): Promise<void> {
  for (;;) {
    if (exitCode() !== null) throw new Error(`Prism ended before it answered: ${trouble()}`);
    try {
      await fetch(url);
      return;
    } catch {
      // Not listening yet.
      await sleep(100);
    }
  }
}
