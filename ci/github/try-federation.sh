#!/bin/bash
# A hub, five agents and a monitor of the very images, watched for a minute and judged by the ten criteria. Called by test.sh.
# FEDERATION_DURATION_MS and FEDERATION_INTERVAL_MS are the agents'; without them their own defaults count.
. "$(dirname "$0")/lib.sh"
build_id
network=build-images-$BUILD_ID
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
umask 077

# What the criteria import, at the versions of the lock file; the rest of the repository's packages is not needed for it.
jq '{name, private, type, dependencies: ((.devDependencies + .dependencies)
  | with_entries(select(.key | IN("better-sqlite3", "jose", "playwright-core", "zod"))))}' "$top/package.json" >"$scratch/package.json"
cp "$top/package-lock.json" "$scratch/"

docker network create --label "$LABEL=$BUILD_ID" "$network" >/dev/null
start() { # start NAME ARGUMENTS… IMAGE [COMMAND…]: a container that others reach by that name
  local name=$1
  shift
  docker run --detach --label "$LABEL=$BUILD_ID" --network "$network" --network-alias "$name" "$@"
}

# The judge runs on the engine's own architecture, whatever it judges.
judge_image=$(local_name tools)
build --tag "$judge_image" "$top/ci/federation/sidecar" || fail 'ci/federation/sidecar was not built; its last step says why'
judge=$(start judge --init --shm-size 1g --workdir /work \
  --env FEDERATION_STATS_URL=http://hub:8444 --env FEDERATION_MONITOR_URL=http://monitor:3000 \
  --env FEDERATION_RESULT=/work/criteria.json "$judge_image" sleep infinity)
tar -C "$scratch" -c package.json package-lock.json | docker cp - "$judge:/work"
tar -C "$top" -c --exclude node_modules ci/federation | docker cp - "$judge:/work"
docker exec "$judge" npm install --ignore-scripts --no-audit --no-fund --loglevel error ||
  fail 'the packages of the criteria were not installed' 'Containers of this engine have to reach an npm registry.'

# Keys of this one federation. They are in variables of processes, never in arguments.
docker exec "$judge" node ci/federation/keys.ts >"$scratch/keys"
while IFS='=' read -r key value; do export "$key=$value"; done <"$scratch/keys"

# An emulated health check takes longer to start than the images give it.
engine=$(docker version --format '{{.Server.Arch}}')
health_options=() healthy_within=120
if [ "$engine" != "$ARCH" ]; then
  health_options=(--health-timeout 60s --health-interval 10s --health-start-period 300s) healthy_within=300
fi

images() { local_name "federation-$1"; }
for role in hub agent monitor; do
  platform=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$(images "$role")")
  [ "$platform" = "linux/$ARCH" ] || fail "the image of the $role is for $platform, and not for linux/$ARCH"
done
agent() { # agent NAME TENANT KEY ARGUMENTS…
  local name=$1 tenant=$2
  export FEDERATION_AGENT_KEY=$3
  shift 3
  start "$name" --platform "linux/$ARCH" --env FEDERATION_HUB_URL=ws://hub:8443 --env FEDERATION_TENANT="$tenant" \
    --env FEDERATION_AGENT="$name" --env FEDERATION_AGENT_KEY --env FEDERATION_WHEN_DONE=idle \
    ${FEDERATION_DURATION_MS:+--env FEDERATION_DURATION_MS} ${FEDERATION_INTERVAL_MS:+--env FEDERATION_INTERVAL_MS} "$@" "$(images agent)"
}
hub=$(start hub --platform "linux/$ARCH" "${health_options[@]}" --env FEDERATION_AGENT_KEYS --env FEDERATION_ADMIN_TOKEN --env FEDERATION_READ_TOKEN \
  "$(images hub)")
monitor=$(start monitor --platform "linux/$ARCH" "${health_options[@]}" --env FEDERATION_STATS_URL=http://hub:8444 --env FEDERATION_READ_TOKEN \
  "$(images monitor)")
for each in "hub $hub" "monitor $monitor"; do
  read -r name id <<<"$each"
  for ((waited = 0; ; waited += 1)); do
    health=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$id")
    [ "$health" != 'running healthy' ] || break
    if [[ $health != running* ]] || [ "$waited" -ge "$healthy_within" ]; then
      docker logs --tail 20 "$id" >&2
      fail "$name is $health after $waited s; its last lines are above"
    fi
    sleep 1
  done
done
together=test-collaboration
agents=(
  "$(agent researcher $together "$RESEARCHER_KEY" --env FEDERATION_ROLE=researcher)"
  "$(agent coder $together "$CODER_KEY" --env FEDERATION_ROLE=coder)"
  "$(agent tester $together "$TESTER_KEY" --env FEDERATION_ROLE=tester)"
  "$(agent reviewer $together "$REVIEWER_KEY" --env FEDERATION_ROLE=reviewer)"
  "$(agent isolated different-tenant "$ISOLATED_KEY" --env FEDERATION_ROLE=researcher --env FEDERATION_TRESPASS=$together/coder)"
)

timeout 600 docker exec --env FEDERATION_ADMIN_TOKEN "$judge" node ci/federation/criteria.ts || echo "criteria.ts ended with $?"
docker cp "$judge:/work/criteria.json" "$out/criteria.json" || {
  for id in "$hub" "$monitor" "${agents[@]}"; do docker logs --tail 5 "$id" >&2; done
  fail 'the criteria were not decided; the last lines of hub, monitor and agents are above'
}

# Where containers are emulated, the two criteria that are about a time (how fast agents connect, how long a sync takes) are
# told and not judged: they would judge the emulator.
not_judged='[]'
[ "$engine" = "$ARCH" ] || not_judged='[1,7]'
jq -e --argjson not_judged "$not_judged" '
  ([.criteria[].number] | sort) == [range(1; 11)]
    and all(.criteria[] | select([.number] | inside($not_judged) | not); .passed == true)' "$out/criteria.json" >/dev/null ||
  fail 'not all of the ten criteria passed; the table above tells what was observed'
jq --argjson not_judged "$not_judged" '{suite: "federation criteria", checks: ((.criteria | length) - ($not_judged | length)),
  not_judged: $not_judged, details: {criteria, targets}}' "$out/criteria.json" >"$out/suite.json"
