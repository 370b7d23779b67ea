/** Who may read and who may change. Nothing here looks at what is asked for, so a refusal cannot tell whether it exists. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import type { RunId } from '../core/job.ts';
import type { Secret } from '../core/secrets/secret.ts';
import type { Links } from './links.ts';

export interface AccessOptions {
  /** `signed`: links and this machine; `public`: everybody; `token`: only the admin token. */
  readonly read: 'signed' | 'public' | 'token';
  readonly adminToken: Secret | null;
  readonly links: Pick<Links, 'runOfToken'>;
}

export interface ReadRight {
  readonly kind: 'all' | 'run' | 'none';
  /** What a genuine link names, also when its bearer may read everything. */
  readonly run: RunId | null;
}

export interface Access {
  rightToRead(request: Request): ReadRight;
  /** Reads details of this machine's state. */
  seesDetails(request: Request): boolean;
  /** `unset` = there is no admin token, so nobody can. */
  rightToWrite(request: Request): 'granted' | 'refused' | 'unset';
}

export function createAccess({ read, adminToken, links }: AccessOptions): Access {
  const isAdmin = (request: Request): boolean => adminToken !== null && isSame(bearerOf(request), adminToken.reveal());

  function readsAll(request: Request): boolean {
    switch (read) {
      case 'public':
        return true;
      case 'signed':
        return isLocal(request) || isAdmin(request);
      case 'token':
        return isAdmin(request);
    }
  }

  return {
    rightToRead(request) {
      const { t } = request.query;
      // A link was made for people without a token, so `token` does not honour it.
      const run = typeof t === 'string' && read !== 'token' ? (links.runOfToken(t) ?? null) : null;
      if (readsAll(request)) return { kind: 'all', run };
      return run === null ? { kind: 'none', run } : { kind: 'run', run };
    },
    seesDetails: (request) => isLocal(request) || isAdmin(request) || read === 'public',
    rightToWrite(request) {
      if (adminToken === null) return 'unset';
      return isAdmin(request) ? 'granted' : 'refused';
    },
  };
}

function bearerOf(request: Request): string {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
}

/** In a time that tells nothing about either. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** Headers by which proxies and tunnels give themselves away. */
const proxyHeader =
  /^(?:forwarded|via|x-forwarded-.*|x-real-.*|x-original-.*|x-client-.*|x-cluster-client-ip|true-client-ip|cf-.*|fly-client-ip|fastly-client-ip)$/;
const loopbackAddress = /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^::1$/;
const loopbackHost = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/**
 * A process of this machine that speaks for itself. A request that a proxy here passes on comes from loopback too;
 * it shows by its headers, by speaking HTTP/1.0 (as nginx does unless told otherwise, without adding any header), or by
 * the name it asks for. The name also keeps out web pages that point their own domain at 127.0.0.1.
 */
export function isLocal(request: Request): boolean {
  return (
    loopbackAddress.test(request.socket.remoteAddress ?? '') &&
    loopbackHost.test(request.headers.host ?? '') &&
    request.httpVersion !== '1.0' &&
    !Object.keys(request.headers).some((name) => proxyHeader.test(name))
  );
}
