/** Registries that answer otherwise than registries do. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { parseReference } from '../../src/core/image/reference.ts';
import { openRegistry } from '../../src/docker/registry.ts';

async function problemAt(name: string): Promise<string | undefined> {
  const image = parseReference(name);
  if (image === undefined) throw new Error(name);
  const found = await openRegistry(300).manifest(image, null);
  return found.ok ? undefined : `${found.problem.kind}: ${found.problem.message}`;
}

it.each(['localhost:99999', '999.1.1.1'])('%s is told to be no address', async (host) => {
  expect(await problemAt(`${host}/x`)).toBe(`unreachable: ${host} is not the address of a registry`);
});

it.each(['goes away', 'falls silent'])('one that %s in the middle of its answer has not answered', async (how) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{', () => {
      if (how === 'goes away') response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    expect(await problemAt(`${host}/x`)).toMatch(new RegExp(`^unreachable: ${host}: `));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
