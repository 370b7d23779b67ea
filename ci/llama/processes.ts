// What /proc says about processes: who listens at a port, and who carries a mark. Nobody is looked for by name.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** The processes that listen at a TCP port of this network, IPv4 or IPv6, as far as this user may see them. */
export function listenersAt(port: number): readonly number[] {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map(textOf);
  const sockets = new Set(tables.flatMap((table) => listeningSockets(table, port)).map((inode) => `socket:[${inode}]`));
  return sockets.size === 0 ? [] : pids().filter((pid) => filesOf(pid).some((file) => sockets.has(file)));
}

/** Inodes of the sockets that listen at `port`, from a text in the form of /proc/net/tcp. */
export function listeningSockets(table: string, port: number): readonly string[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && local?.endsWith(ending) === true)
    .map((columns) => columns[9] ?? '');
}

/**
 * Processes that were given `mark` (`NAME=value`) in their environment, which their children inherit, also those that
 * left their group and their parent behind. Zombies are not among them: they run no more.
 */
export function processesMarked(mark: string): readonly number[] {
  return pids().filter((pid) => textOf(`/proc/${pid}/environ`).split('\0').includes(mark));
}

/** What a process was started as, for messages. */
export function commandOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 120);
}

function pids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Processes end while one looks, and those of other users are closed: both have no files and no text. */
function filesOf(pid: number): readonly string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).map((name) => linkOf(`${folder}/${name}`));
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
