#!/bin/bash
# Four llama-servers in a container of the very image (ci/llama/smoke.ts): health, a completion, an orderly end. Called by test.sh.
. "$(dirname "$0")/lib.sh"
build_id
image=$(local_name llama-server)
user=$(docker image inspect --format '{{.Config.User}}' "$image")
case "$ARCH" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac

container=$(create --platform "linux/$ARCH" --network none --tmpfs /tmp --entrypoint /llama/smoke.sh "$image" --report /llama/report.json)
cd "$top/ci/llama"
# As the image's own user, who has to be able to write the report.
tar -c --owner="${user%%:*}" --group="${user##*:}" --transform 's,^\./,llama/,;s,^\.$,llama,' --no-recursion \
  . ./smoke.sh ./*.ts ./tiny.gguf ./node "./node/$machine" "./node/$machine/node" | docker cp - "$container:/"
timeout 900 docker start --attach "$container" || fail "the smoke test ended with $?" "124: it took longer than 15 minutes."
docker cp "$container:/llama/report.json" "$out/llama-report.json"
docker rm --force --volumes "$container" >/dev/null

jq -e --arg arch "$ARCH" '
  (if $arch == "amd64" then "x64" else $arch end) as $machine
  | .machine == $machine and (.tokens | length) > 0 and (.servers | length) == 4
    and all(.servers[]; .tokens_predicted > 0 and .ready_ms >= 0 and .stop_ms >= 0)' "$out/llama-report.json" >/dev/null ||
  fail 'the report of the smoke test does not hold what four servers of this architecture would tell'
# Of each server: ready, completed, ended.
jq '{suite: "llama smoke", checks: (.servers | length * 3), not_judged: [], details: .}' "$out/llama-report.json" >"$out/suite.json"
