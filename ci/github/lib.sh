# Sourced by the scripts beside it. Each takes its settings from the environment, names the missing one, and can be run by hand.
# shellcheck shell=bash
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${OUT:-${RUNNER_TEMP:?is missing: set it or OUT to a folder for what the scripts find out}/build-images}
mkdir -p "$out"

# What everything of one job is known by in the engine, which it may share with others: clean.sh removes that and nothing else.
LABEL=dev.hearth.build-images
# Attestations would make an index of what is one image, with another digest each time.
export BUILDX_NO_DEFAULT_ATTESTATIONS=1

# fail SENTENCE [WHAT-TO-DO]
fail() {
  [ -z "${GITHUB_ACTIONS:-}" ] || printf '::error::%s\n' "$1"
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  [ -z "${2:-}" ] || printf '→ %s\n' "$2" >&2
  exit 1
}

one_of() { # one_of NAME VALUE ALLOWED…
  local name=$1 value=$2 each
  shift 2
  for each in "$@"; do [ "$value" != "$each" ] || return 0; done
  fail "$name is \"$value\", not one of: $*"
}

# An engine takes any text as a tag or label that has no such sign; a shell and a file name do, too.
build_id() {
  [[ ${BUILD_ID:?is missing: what the things of this job are named after} =~ ^[a-z0-9][a-z0-9-]{0,99}$ ]] ||
    fail "BUILD_ID is \"$BUILD_ID\"" 'Use small letters, digits and hyphens.'
}

images_of() { # images_of WORKLOAD
  case "$1" in
    llama) echo llama-server ;;
    federation) echo federation-hub federation-agent federation-monitor ;;
    *) fail "WORKLOAD is \"$1\", not one of: llama federation" ;;
  esac
}

local_name() { # local_name IMAGE
  echo "build-images/$1:$BUILD_ID"
}

# By BuildKit into this engine: by the buildx plugin with the engine's own builder, or by a command line from before 23.
build() {
  if docker buildx version >/dev/null 2>&1; then
    BUILDX_BUILDER=$(docker context inspect --format '{{.Name}}') docker buildx build --load --progress=plain "$@"
    return
  fi
  [ "$(docker --version | sed -n 's/^Docker version \([0-9]*\).*/\1/p')" -lt 23 ] ||
    fail 'this Docker command line has no BuildKit' 'Install the buildx plugin (docker-buildx-plugin, or docker-buildx on Debian).'
  DOCKER_BUILDKIT=1 docker build --progress=plain "$@"
}

create() { # create ARGUMENTS…: a container of this job
  docker create --label "$LABEL=$BUILD_ID" "$@"
}

# Runs a command in an image with Node, on the engine's own architecture. Files go in and come out as archives: the engine may
# be outside of the container that this script runs in, and then knows none of its folders.
# tools CONTEXT-OF-THE-IMAGE FILES-IN COMMAND OUT-FOLDER FILES-OUT: files in are words for tar, from the top of the repository.
tools() {
  local context=$1 files=$2 command=$3 folder=$4 wanted=$5 container each image
  image=$(local_name tools)
  build --tag "$image" "$top/$context" || fail "$context was not built; its last step says why"
  container=$(create --workdir /work "$image" sh -c "$command")
  # shellcheck disable=SC2086
  tar -C "$top" -c $files | docker cp - "$container:/work"
  docker start --attach "$container" || fail "\`$command\` failed; the lines above say why"
  for each in $wanted; do docker cp "$container:/work/$each" "$folder/"; done
  docker rm --force --volumes "$container" >/dev/null
}
