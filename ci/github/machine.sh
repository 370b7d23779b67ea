#!/bin/bash
# What this machine is, and whether it is emulated, as JSON: {"machine","program","emulated"}. Needs no engine.
#
# An emulator of programs (qemu-user, Rosetta) answers `uname` for the machine that it plays, and shows a program its own
# /proc/self as it should be. It does not for other processes: the program that the kernel really runs for this shell is
# seen by its child, and the header of that file names the processor that it is for.
set -euo pipefail

machine=$(uname -m)
case "$machine" in
  x86_64) expected=62 ;;
  aarch64) expected=183 ;;
  *) expected= ;;
esac
number=$(od -An -tu2 -j18 -N2 "/proc/$$/exe" 2>/dev/null | tr -d ' \n' || true)
case "$number" in
  62) program=x86_64 ;;
  183) program=aarch64 ;;
  *) program=$number ;;
esac
# What could not be seen is neither yes nor no.
emulated=null
if [ -n "$number" ] && [ -n "$expected" ]; then
  if [ "$number" = "$expected" ]; then emulated=false; else emulated=true; fi
fi
printf '{"machine":"%s","program":"%s","emulated":%s}\n' "$machine" "$program" "$emulated"
