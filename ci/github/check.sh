#!/bin/bash
# Whether this job may go on, before anything is made: its inputs, the machine, room on the disks. Every problem at once.
# RUNNER_TYPE multi|large|native, ARCH amd64|arm64, TAG_SUFFIX (may be empty), FREE_BYTES. Writes machine.json.
. "$(dirname "$0")/lib.sh"
: "${RUNNER_TYPE:?is missing}" "${ARCH:?is missing}" "${FREE_BYTES:?is missing}" "${TAG_SUFFIX?is missing}"
one_of RUNNER_TYPE "$RUNNER_TYPE" multi large native
one_of ARCH "$ARCH" amd64 arm64
[[ $FREE_BYTES =~ ^[0-9]{1,18}$ ]] || fail "FREE_BYTES is \"$FREE_BYTES\", not a number of bytes"
build_id

problems=()
[[ $TAG_SUFFIX =~ ^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$ ]] ||
  problems+=("tag-suffix is \"$TAG_SUFFIX\"; use at most 64 letters, digits, dots, hyphens and underscores, a letter or digit first")

seen=$(bash "$top/ci/github/machine.sh")
machine=$(jq -r .machine <<<"$seen")
emulated=$(jq -r .emulated <<<"$seen")
case "$ARCH" in amd64) wanted=x86_64 ;; arm64) wanted=aarch64 ;; esac
[ "$machine" = "$wanted" ] ||
  problems+=("this runner is $machine, and the job is for linux/$ARCH; its labels promise what it is not: look at its pool")
engine=$(docker version --format '{{.Server.Arch}}') ||
  fail 'no Docker engine answers on this runner' 'Give its pool the engine (docker: socket), or start one.'

if [ "$RUNNER_TYPE" = native ]; then
  case "$emulated" in
    true) problems+=("this runner is emulated: its programs are for $(jq -r .program <<<"$seen"); runner-type native wants a pool on a machine of linux/$ARCH") ;;
    null) problems+=("whether this runner is emulated could not be seen (/proc/$$/exe cannot be read), so runner-type native cannot be promised") ;;
  esac
  [ "$engine" = "$ARCH" ] ||
    problems+=("the engine is linux/$engine, so containers of linux/$ARCH are emulated; runner-type native wants an engine of linux/$ARCH")
fi

# free_bytes WHERE NUMBER: numbers are compared as numbers; what is no number is a problem of its own.
free_bytes() {
  if ! [[ $2 =~ ^[0-9]{1,18}$ ]]; then
    problems+=("how much room $1 has could not be seen (\"$2\")")
  elif [ "$2" -lt "$FREE_BYTES" ]; then
    problems+=("$1 has $2 bytes free, fewer than $FREE_BYTES; free some, or give the pool more disk")
  fi
}
workspace=$(df --output=avail -B1 "$out" | tail -n 1 | tr -d ' ')
free_bytes 'the workspace' "$workspace"
# The root of a container lies on the engine's own storage, wherever the engine is.
storage=$(docker run --rm --label "$LABEL=$BUILD_ID" --network none debian:bookworm-slim df --output=avail -B1 / | tail -n 1 | tr -d ' ') || storage=
free_bytes "the engine's storage" "$storage"

if [ "${#problems[@]}" -gt 0 ]; then
  for problem in "${problems[@]}"; do (fail "$problem") || true; done
  exit 1
fi
jq --arg arch "$ARCH" --arg engine "$engine" --argjson workspace "$workspace" --argjson storage "$storage" \
  '{arch: $arch} + . + {engine: $engine, free_bytes: {workspace: $workspace, storage: $storage}}' <<<"$seen" >"$out/machine.json"
cat "$out/machine.json"
