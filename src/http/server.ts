/** The listening socket: limits against slow and greedy clients, and a close that lets answers out. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Time that running requests get to end when the server closes, in ms. */
  readonly graceMs?: number;
  readonly limits?: Partial<ServerLimits>;
}

export interface ServerLimits {
  /** Until all headers are there, in ms; then 408. */
  readonly headersTimeoutMs: number;
  /** Until the whole body is there, in ms; then 408. GitHub itself gives up after 10 s. */
  readonly requestTimeoutMs: number;
  /** Above: 431. */
  readonly maxHeaderBytes: number;
  readonly maxConnections: number;
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
  /** For this machine: loopback when it listens on every address. */
  readonly url: string;
}

const defaults: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 20_000,
  maxHeaderBytes: 16 * 1024,
  maxConnections: 2048,
};
/** How late a timeout may come. Node's own default is half a minute. */
const CHECK_EVERY_MS = 500;
const KEEP_ALIVE_MS = 5000;
const GRACE_MS = 2000;

/** The address is taken, or not one of this machine. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

/** Resolves when it listens; rejects when it cannot. Disposing stops listening at once and ends what runs after `graceMs`. */
export async function startServer(listener: RequestListener, options: ServerOptions): Promise<HttpServer> {
  const limits = { ...defaults, ...options.limits };
  const server = createServer(
    {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, limits.headersTimeoutMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    listener,
  );
  let isClosing = false;
  server.on('request', (_request, response) => {
    // A connection that was busy when the server closed would be kept alive for another request.
    response.once('close', () => {
      if (isClosing) setImmediate(() => server.closeIdleConnections());
    });
  });
  server.maxConnections = limits.maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new CannotListen(
          `Cannot listen on ${options.host}:${options.port} (${error.message}); set HEARTH_LISTEN to a free address.`,
          { cause: error },
        ),
      );
    });
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    port,
    url: `http://${urlHost(options.host)}:${port}`,
    async [Symbol.asyncDispose]() {
      isClosing = true;
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        server.closeAllConnections();
      }, options.graceMs ?? GRACE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
