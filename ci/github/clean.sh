#!/bin/bash
# Removes what this job made in the engine: containers, networks and image names that carry its BUILD_ID. Others may be at work
# there, and layers and caches are the engine's own to keep or drop; so nothing is pruned. May be repeated.
. "$(dirname "$0")/lib.sh"
build_id
mine="label=$LABEL=$BUILD_ID"
docker ps --all --quiet --filter "$mine" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network ls --quiet --filter "$mine" | xargs --no-run-if-empty docker network rm >/dev/null
docker images --format '{{.Repository}}:{{.Tag}}' --filter "reference=build-images/*:$BUILD_ID" |
  xargs --no-run-if-empty docker image rm >/dev/null
left="$(docker ps --all --quiet --filter "$mine")$(docker network ls --quiet --filter "$mine")$(docker images --quiet --filter "reference=build-images/*:$BUILD_ID")"
[ -z "$left" ] || fail "something of $BUILD_ID is still there: $left"
