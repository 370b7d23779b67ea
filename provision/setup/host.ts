// What kind of machine this is, as far as set-up has to know.
import { existsSync } from 'node:fs';

/** True for the user who may install packages and start services. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** True on Debian, Ubuntu and their kin. */
export function hasApt(): boolean {
  return existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-query');
}

/** True when systemd is PID 1, so services are started through it. */
export function hasSystemd(): boolean {
  return existsSync('/run/systemd/system');
}
