/** Loads a program's libraries as its loader would, without running anything, and tells which would not be there. Pure. */
import type { Binary } from './binary.ts';
import type { Dynamic } from './elf-dynamic.ts';
import { folderOf, lookUp, type Found, type Seeker } from './files.ts';
import { candidates, isOwn, type Loader, type Needer } from './loader.ts';
import { misfit, pathText, strange, type Demand } from './sentences.ts';
import { mayRead } from './users.ts';

export interface LibraryParts extends Seeker {
  readonly demand: Demand;
  /** `in the image` */
  readonly where: string;
  /** What the file at a path without links is; may be asked again. */
  readonly read: (path: string) => Promise<Binary>;
}

export interface Root {
  /** For sentences. */
  readonly path: string;
  /** Without links: where `$ORIGIN` is. */
  readonly real: string;
  readonly dynamic: Dynamic;
}

export interface Loaded {
  readonly problems: readonly string[];
  /** Paths of all libraries that were found, in the order of loading. */
  readonly libraries: readonly string[];
}

/** One that is loaded, or the program itself. */
interface Member extends Needer {
  readonly path: string;
  readonly dynamic: Dynamic;
  readonly neededBy: Member | null;
}

type Lookup =
  | { readonly kind: 'found'; readonly path: string; readonly real: string; readonly dynamic: Dynamic }
  /** Begins after the path, with a verb. */
  | { readonly kind: 'wrong'; readonly path: string; readonly says: string }
  | { readonly kind: 'missing' };

/** A program with more would keep everybody busy who looks for them. */
const MOST_LIBRARIES = 1000;

/** `loaderSoname` is how libraries name the loader, which is there already. */
export async function loadLibraries(
  root: Root,
  loader: Loader,
  parts: LibraryParts & { readonly loaderSoname: string | null },
): Promise<Loaded> {
  const main: Member = { path: root.path, origin: folderOf(root.real), dynamic: root.dynamic, neededBy: null };
  const problems: string[] = [];
  const order: Member[] = [main];
  const byName = new Map<string, Member | null>();
  const byPlace = new Map<string, Member>();
  for (const member of order) {
    for (const name of member.dynamic.needed) {
      if (byName.has(name) || name === parts.loaderSoname || isOwn(name, loader)) continue;
      if (byName.size >= MOST_LIBRARIES)
        return { problems: [`${pathText(root.path)} needs more than ${MOST_LIBRARIES} libraries.`], libraries: [] };
      const found = await find(name, member, { loader, parts });
      if (found.kind === 'found') {
        const known = byPlace.get(found.real);
        const { path, dynamic } = found;
        const library = known ?? { path, origin: folderOf(path), dynamic, neededBy: member };
        byName.set(name, library);
        if (dynamic.soname !== null && !byName.has(dynamic.soname)) byName.set(dynamic.soname, library);
        byPlace.set(found.real, library);
        if (known === undefined) order.push(library);
      } else {
        byName.set(name, null);
        problems.push(await complaint(name, member, { found, root, loader, parts }));
      }
    }
  }
  if (loader.kind === 'glibc') problems.push(...order.flatMap((member) => missingVersions(member, byName)));
  return { problems, libraries: order.slice(1).map(({ path }) => path) };
}

interface Search {
  readonly loader: Loader;
  readonly parts: LibraryParts;
}

async function find(name: string, needer: Member, { loader, parts }: Search): Promise<Lookup> {
  let passedOver: Lookup = { kind: 'missing' };
  for (const path of candidates(name, needer, loader)) {
    const found = await lookUp(parts, path);
    if (!isPlain(found)) continue;
    const wrong = (says: string): Lookup => ({ kind: 'wrong', path, says });
    if (!mayRead(found.entry, parts.user)) {
      passedOver = wrong('may not be read by the user that runs it. Change its mode in the build');
      continue;
    }
    const binary = await parts.read(found.path);
    if (binary.kind !== 'elf')
      return wrong(
        binary.kind === 'script' ? 'is a script. Install the library itself' : strange(binary, parts.demand),
      );
    const unfit = misfit(binary, parts.demand);
    // glibc goes on to the next folder; musl takes the first file there is.
    if (unfit !== undefined && loader.kind === 'glibc') {
      if (passedOver.kind === 'missing') passedOver = wrong(unfit);
      continue;
    }
    if (unfit !== undefined) return wrong(unfit);
    if (binary.type !== 'shared' || binary.dynamic === null || binary.dynamic.isProgram)
      return wrong(
        `is no shared library but ${binary.type === 'relocatable' ? 'an object file' : 'a program'}. Link it with -shared`,
      );
    return { kind: 'found', path, real: found.path, dynamic: binary.dynamic };
  }
  return passedOver;
}

interface Context extends Search {
  readonly found: Exclude<Lookup, { kind: 'found' }>;
  readonly root: Root;
}

async function complaint(name: string, needer: Member, context: Context): Promise<string> {
  const { found, parts } = context;
  const says = `${who(needer)} needs the library ${pathText(name)}`;
  if (found.kind === 'wrong') return `${says}, and ${pathText(found.path)} ${found.says}.`;
  const elsewhere = await findElsewhere(name, context);
  return elsewhere === undefined
    ? `${says}, which is not ${parts.where}. Install the package that has it, or link it statically.`
    : `${says}, which its loader does not find: it lies in ${pathText(elsewhere)}. ` +
        'Run ldconfig where /etc/ld.so.conf names that folder, set LD_LIBRARY_PATH, or link with -Wl,-rpath.';
}

/** Folders that people put libraries in without telling the loader. */
async function findElsewhere(name: string, { root, parts }: Context): Promise<string | undefined> {
  if (name.includes('/')) return undefined;
  const beside = folderOf(root.real);
  const { triplets } = parts.demand.platform;
  const own = triplets.map((triplet) => `/usr/local/lib/${triplet}`);
  const folders = [beside, `${folderOf(beside)}/lib`, '/usr/local/lib', ...own, '/usr/local/lib64'];
  for (const folder of folders) if (isPlain(await lookUp(parts, `${folder}/${name}`))) return folder.replace('//', '/');
  return undefined;
}

/** A library that has no versions at all is taken as it is, with a warning. */
function missingVersions(member: Member, byName: ReadonlyMap<string, Member | null>): readonly string[] {
  return member.dynamic.requires.flatMap(({ library, versions }) => {
    const loaded = byName.get(library);
    const provides = loaded?.dynamic.provides ?? null;
    if (loaded === undefined || loaded === null || provides === null) return [];
    const missing = versions.filter((version) => !provides.includes(version));
    if (missing.length === 0) return [];
    return [
      `${who(member)} needs ${missing.map(pathText).join(', ')} of ${pathText(library)}, and ${pathText(loaded.path)} is older. ` +
        'Build it on the system that it is to run on, or take a newer one.',
    ];
  });
}

function who({ path, neededBy }: Member): string {
  return neededBy === null ? pathText(path) : `${pathText(path)} (for ${pathText(neededBy.path)})`;
}

function isPlain(found: Found): found is Extract<Found, { kind: 'there' }> & { entry: { kind: 'file' } } {
  return found.kind === 'there' && found.entry.kind === 'file';
}
