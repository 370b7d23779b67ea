/** The files of an image without starting it: a container that is only created, and read through `docker cp`. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar';
import { bytesInMemory, type ByteSource } from '../core/verify/bytes.ts';
import type { FileEntry, ImageFiles } from '../core/verify/files.ts';
import { bytesOfFile } from './bytes-of-file.ts';
import type { Engine } from './engine.ts';
import { createTail } from './tail.ts';

export interface ImageFilesRequest {
  /** Id of the image. */
  readonly image: string;
  /** Of the container: says whose it is, and until when. */
  readonly name: string;
  readonly label: string;
  readonly signal: AbortSignal;
}

/** Most files are smaller and are read with the same call that tells of them. */
const SMALL_BYTES = 4 * 1024 ** 2;
const KEPT_BYTES = 64 * 1024 ** 2;
const ABSENT = /Could not find the file|No such container:path|not a directory/;
/** The engine follows a link before it tells of it. */
const ENDLESS = /too many links|too many levels of symbolic links|file name too long/;
/** Bytes of a name in a folder. */
const LONGEST_NAME = 255;

/** Files that are too large to keep in memory lie in a temporary folder while they are open. Disposing removes the container. */
export async function openImageFiles(
  engine: Engine,
  request: ImageFilesRequest,
): Promise<ImageFiles & AsyncDisposable> {
  const { image, name, label, signal } = request;
  await using opened = new AsyncDisposableStack();
  opened.defer(() => engine.remove([name]));
  // An image need not say what it starts, and this is never started.
  const never = ['--entrypoint', '/hearth-never-started'];
  signal.throwIfAborted();
  const place = ['--name', name, '--label', label, '--network', 'none'];
  await engine.command(['create', '--pull', 'never', ...place, ...never, image]);
  const entries = new Map<string, Promise<FileEntry | undefined>>();
  const small = recentFiles();

  /** Hands the first entry of the archive over, where there is such a path. */
  async function withArchive<T>(
    path: string,
    use: (entry: ParsedTarEntry | null) => Promise<T>,
  ): Promise<T | 'absent' | 'endless'> {
    const enough = new AbortController();
    const call = engine.start(['cp', `${name}:${path}`, '-'], AbortSignal.any([signal, enough.signal]));
    const said = createTail();
    call.stderr.on('data', (piece: Uint8Array) => {
      said.add(piece);
    });
    try {
      const archive = Readable.toWeb(call.stdout) as ReadableStream<Uint8Array>;
      const reader = archive.pipeThrough(createTarDecoder({ strict: true })).getReader();
      const first = await reader.read().catch((cause: unknown) => ({ done: true, value: undefined, cause }) as const);
      if (!first.done) return await use(first.value);
      signal.throwIfAborted();
      const exitCode = await call.exitCode;
      const why = said.lines().join('; ');
      if (ABSENT.test(why)) return 'absent';
      if (ENDLESS.test(why)) return 'endless';
      if (exitCode === 0 && !('cause' in first)) return await use(null);
      throw new Error(`docker cp of ${JSON.stringify(path)}: ${why}`, {
        cause: 'cause' in first ? first.cause : undefined,
      });
    } finally {
      // Of a folder only the head is wanted, and the engine would send all that is in it.
      enough.abort();
      await call.exitCode;
      signal.throwIfAborted();
    }
  }

  async function entryAt(path: string): Promise<FileEntry | undefined> {
    if (new TextEncoder().encode(path.slice(path.lastIndexOf('/') + 1)).length > LONGEST_NAME) return undefined;
    const described = await withArchive(path, async (entry) => {
      const one = describe(entry);
      if (entry !== null && one.kind === 'file' && one.size <= SMALL_BYTES)
        small.keep(path, await readAll(entry.body, one.size));
      return one;
    });
    if (described === 'absent') return undefined;
    return described === 'endless' ? { kind: 'link', target: null } : described;
  }

  async function spool(path: string): Promise<ByteSource & AsyncDisposable> {
    await using undo = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'hearth-verify-'));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    const file = await open(join(folder, 'file'), 'wx+', 0o600);
    undo.defer(() => file.close());
    const size = await withArchive(path, async (entry) => {
      const described = describe(entry);
      if (entry === null || described.kind !== 'file') throw new Error(`${JSON.stringify(path)} is no plain file`);
      let at = 0;
      for await (const piece of entry.body) {
        // Holes stay holes: a file of an image can be much larger than the image.
        if (piece.some((byte) => byte !== 0)) await file.write(piece, 0, piece.length, at);
        at += piece.length;
      }
      if (at !== described.size) throw new Error(`docker cp of ${JSON.stringify(path)} broke off at byte ${at}`);
      await file.truncate(at);
      return at;
    });
    if (typeof size === 'string') throw new Error(`${JSON.stringify(path)} is not in the image any more`);
    const kept = undo.move();
    return bytesOfFile(file, size, () => kept.disposeAsync());
  }

  const kept = opened.move();
  return {
    entry(path) {
      const known = entries.get(path) ?? entryAt(path);
      entries.set(path, known);
      return known;
    },
    async open(path) {
      const bytes = small.find(path);
      if (bytes === undefined) return spool(path);
      return { ...bytesInMemory(bytes), async [Symbol.asyncDispose]() {} };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The engine leaves sockets out of an archive: then there is no entry. */
function describe(entry: ParsedTarEntry | null): FileEntry {
  if (entry === null) return { kind: 'other' };
  const { type = 'file', size, mode = 0, uid = 0, gid = 0, linkname = '' } = entry.header;
  const owned = { mode: mode & 0o777, uid, gid };
  if (type === 'file') return { kind: 'file', size, ...owned };
  if (type === 'directory') return { kind: 'folder', ...owned };
  return type === 'symlink' ? { kind: 'link', target: linkname } : { kind: 'other' };
}

async function readAll(body: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const piece of body) {
    bytes.set(piece.subarray(0, size - at), at);
    at += piece.length;
  }
  if (at !== size) throw new Error(`an archive of docker cp broke off at byte ${at} of ${size}`);
  return bytes;
}

/** Keeps what came last, up to a number of bytes. */
function recentFiles(): { keep(path: string, bytes: Uint8Array): void; find(path: string): Uint8Array | undefined } {
  const files = new Map<string, Uint8Array>();
  let total = 0;
  return {
    keep(path, bytes) {
      files.set(path, bytes);
      total += bytes.length;
      for (const [oldest, content] of files) {
        if (total <= KEPT_BYTES) break;
        files.delete(oldest);
        total -= content.length;
      }
    },
    find: (path) => files.get(path),
  };
}
