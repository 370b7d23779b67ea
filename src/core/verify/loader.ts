/** The dynamic loader of an image: where it looks for libraries, in which order. glibc and musl. Pure. */
import { latin1, readUpTo, utf8 } from './bytes.ts';
import type { Dynamic } from './elf-dynamic.ts';
import { absolute, folderOf, lookUp, type Seeker } from './files.ts';
import { parseLoaderCache, type LoaderCache } from './ld-cache.ts';
import type { Platform } from './platform.ts';
import { mayRead } from './users.ts';

export interface Loader {
  readonly kind: 'glibc' | 'musl';
  /** As the program names it. */
  readonly path: string;
  /** Its own folders, as they are written into it. */
  readonly folders: readonly string[];
  /** /etc/ld.so.cache; null = there is none that can be used. */
  readonly cache: LoaderCache | null;
  /** LD_LIBRARY_PATH; it counts before RUNPATH. */
  readonly libraryPath: readonly string[];
  readonly workingFolder: string;
  readonly platform: Platform;
}

export interface LoaderPlace extends Seeker {
  readonly platform: Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly workingFolder: string;
}

/** What needs a library: a program, or a library itself. */
export interface Needer {
  /** Folder that `$ORIGIN` stands for. */
  readonly origin: string;
  readonly dynamic: Dynamic;
  /** null = the program. */
  readonly neededBy: Needer | null;
}

const MOST_LOADER_BYTES = 8 * 1024 ** 2;
const MOST_CACHE_BYTES = 32 * 1024 ** 2;
/** Files of these names are part of musl itself, whatever comes after the point. */
const MUSL_OWN = /^lib(?:c|pthread|rt|m|dl|util|xnet)\./;

export function loaderKind(path: string): Loader['kind'] {
  return /\/ld-musl-[^/]*$/.test(path) ? 'musl' : 'glibc';
}

/** Reads what the loader itself would read when it starts. `path` must lie on a file. */
export async function readLoader(path: string, place: LoaderPlace): Promise<Loader> {
  const kind = loaderKind(path);
  const { platform, workingFolder, env } = place;
  const written = foldersIn(await contentOf(path, MOST_LOADER_BYTES, place), kind);
  const configured = kind === 'musl' ? await muslFolders(path, place) : undefined;
  const cache = kind === 'glibc' ? await contentOf('/etc/ld.so.cache', MOST_CACHE_BYTES, place) : undefined;
  const text = env['LD_LIBRARY_PATH'] ?? '';
  return {
    ...{ kind, path, platform, workingFolder },
    folders: configured ?? written ?? usualFolders(kind, platform),
    cache: cache === undefined ? null : (parseLoaderCache(cache, platform.order) ?? null),
    libraryPath: text === '' ? [] : text.split(kind === 'glibc' ? /[:;]/ : /[:\n]/),
  };
}

/** Where the loader tries to open a library that `needer` names, first to last. */
export function candidates(name: string, needer: Needer, loader: Loader): readonly string[] {
  const spread = (text: string, origin: string): readonly string[] =>
    expand(text, { origin, loader }).map((path) => absolute(path, loader.workingFolder));
  if (name.includes('/')) return spread(name, needer.origin);
  const inFolders = (folders: readonly string[]): readonly string[] =>
    folders.map((folder) => `${folder.replace(/\/+$/, '')}/${name}`);
  const own = (text: string | null, { origin }: Needer): readonly string[] =>
    text === null || text === '' ? [] : text.split(':').flatMap((folder) => spread(folder, origin));
  const environment = inFolders(loader.libraryPath.flatMap((folder) => spread(folder, needer.origin)));
  const chain = chainOf(needer);
  if (loader.kind === 'musl') {
    const written = chain.flatMap((one) => [...own(one.dynamic.rpath, one), ...own(one.dynamic.runpath, one)]);
    return unique([...environment, ...inFolders(written), ...inFolders(loader.folders)]);
  }
  // RPATH is that of all who led here, and does not count beside a RUNPATH.
  const rpaths = needer.dynamic.runpath !== null ? [] : chain.filter(({ dynamic }) => dynamic.runpath === null);
  const { skipsDefaults } = needer.dynamic;
  const cached = (loader.cache?.get(name) ?? []).filter(
    (path) => !skipsDefaults || !loader.folders.some((folder) => path.startsWith(folder)),
  );
  return unique([
    ...inFolders(rpaths.flatMap((one) => own(one.dynamic.rpath, one))),
    ...environment,
    ...inFolders(own(needer.dynamic.runpath, needer)),
    ...cached,
    ...(skipsDefaults ? [] : inFolders(loader.folders)),
  ]);
}

/** Libraries that are there because the loader is. */
export function isOwn(name: string, { kind, path }: Loader): boolean {
  return path.endsWith(`/${name}`) || (kind === 'musl' && MUSL_OWN.test(name));
}

function chainOf(needer: Needer): readonly Needer[] {
  return needer.neededBy === null ? [needer] : [needer, ...chainOf(needer.neededBy)];
}

/** `$LIB` is what the loader's own folders are called below `/` and `/usr`. */
function expand(text: string, { origin, loader }: { origin: string; loader: Loader }): readonly string[] {
  const plain = text
    .replaceAll(/\$(?:ORIGIN\b|\{ORIGIN\})/g, () => origin)
    .replaceAll(/\$(?:PLATFORM\b|\{PLATFORM\})/g, () => loader.platform.word);
  const lib = /\$(?:LIB\b|\{LIB\})/g;
  if (!lib.test(plain)) return [plain];
  return loader.folders.map((folder) => plain.replaceAll(lib, () => folder.replace(/^\/(?:usr\/)?|\/+$/g, '')));
}

/** A run of folders that end in `/` for glibc, a list with colons for musl. Undefined where none is found. */
function foldersIn(bytes: Uint8Array | undefined, kind: Loader['kind']): readonly string[] | undefined {
  if (bytes === undefined) return undefined;
  const text = latin1(bytes);
  if (kind === 'musl') return /\0((?:\/[\w.+@-]+)*\/lib(?::(?:\/[\w.+@-]+)+)+)\0/.exec(text)?.[1]?.split(':');
  let run: string[] = [];
  for (const piece of text.split('\0')) {
    const folder = folderAtEnd(piece);
    if (folder !== undefined && (run.length === 0 || folder === piece)) run.push(folder);
    else if (run.length > 0 && run.every((one) => /\/lib/.test(one))) return run;
    else run = folder === undefined ? [] : [folder];
  }
  return undefined;
}

/** One pass over each piece: a hostile file of millions of slashes is to keep nobody busy. */
function folderAtEnd(piece: string): string | undefined {
  if (!piece.endsWith('/')) return undefined;
  let start = piece.length;
  while (start > 0 && /[\w.+@/-]/.test(piece.charAt(start - 1))) start--;
  const folder = piece.slice(piece.indexOf('/', start));
  return /^(?:\/[\w.+@-]+)+\/$/.test(folder) ? folder : undefined;
}

function usualFolders(kind: Loader['kind'], { triplets, bits }: Platform): readonly string[] {
  if (kind === 'musl') return ['/lib', '/usr/local/lib', '/usr/lib'];
  const names = [...triplets.map((triplet) => `lib/${triplet}`), ...(bits === 64 ? ['lib64'] : []), 'lib'];
  return names.flatMap((name) => [`/${name}/`, `/usr/${name}/`]);
}

/** musl reads `/etc/ld-musl-<arch>.path`, beside the folder that it lies in. */
async function muslFolders(path: string, place: LoaderPlace): Promise<readonly string[] | undefined> {
  const name = /ld-musl-([^/]*)\.so\.1$/.exec(path)?.[1];
  const above = folderOf(folderOf(path));
  const bytes =
    name === undefined
      ? undefined
      : await contentOf(`${above === '/' ? '' : above}/etc/ld-musl-${name}.path`, MOST_LOADER_BYTES, place);
  return bytes === undefined
    ? undefined
    : utf8(bytes)
        .split(/[:\n]/)
        .filter((folder) => folder !== '');
}

async function contentOf(path: string, limit: number, seeker: Seeker): Promise<Uint8Array | undefined> {
  const found = await lookUp(seeker, path);
  if (found.kind !== 'there' || found.entry.kind !== 'file' || !mayRead(found.entry, seeker.user)) return undefined;
  await using file = await seeker.files.open(found.path);
  return await readUpTo(file, 0, limit);
}

function unique(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)];
}
