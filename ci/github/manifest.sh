#!/bin/bash
# Joins what all jobs found out into manifest.json, and the step summary. Fails when anything that was asked for was not observed.
# RESULTS, REVISION, RUN_TESTS, PUSH true|false, PUSHED (file; with PUSH), RUNNER_TYPE, BUILD_ID.
. "$(dirname "$0")/lib.sh"
: "${RESULTS:?is missing}" "${REVISION:?is missing}" "${RUN_TESTS:?is missing}" "${PUSH:?is missing}" "${RUNNER_TYPE:?is missing}"
one_of RUN_TESTS "$RUN_TESTS" true false
one_of PUSH "$PUSH" true false
one_of RUNNER_TYPE "$RUNNER_TYPE" multi large native
build_id

expected=$(for workload in llama federation; do
  for image in $(images_of $workload); do printf '%s linux/amd64\n%s linux/arm64\n' "$image" "$image"; done
done | sort)
mapfile -t results < <(find "$RESULTS" -mindepth 2 -maxdepth 2 -name result.json | sort)
[ "${#results[@]}" -gt 0 ] || fail "$RESULTS has no result.json: no build job has told anything"
built=$(jq -r '.images[] | "\(.name) \(.platform)"' "${results[@]}" | sort)
[ "$built" = "$expected" ] || fail "built and wanted differ: $(diff <(echo "$built") <(echo "$expected") | grep '^[<>]' | tr '\n' ';' || true)"

if [ "$RUN_TESTS" = true ]; then
  for result in "${results[@]}"; do
    jq -e '(.tests.checks // 0) > 0' "$result" >/dev/null || fail "$(jq -r '"\(.workload) on \(.machine.arch)"' "$result") was not tried"
  done
  # Both architectures have to say the same: the reports of the two, compared as Hearth's own pipeline does.
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  for arch in amd64 arm64; do
    jq --arg arch $arch 'select(.workload == "llama" and .machine.arch == $arch) | .tests.details' "${results[@]}" >"$scratch/$arch.json"
  done
  tools ci/sidecar "package.json ci/llama/compare.ts ci/llama/judge.ts -C $scratch amd64.json arm64.json" \
    'node ci/llama/compare.ts amd64.json arm64.json' "$scratch" ''
fi
if [ "$RUNNER_TYPE" = native ]; then
  jq -se 'all(.[]; .machine.emulated == false and .machine.engine == .machine.arch)' "${results[@]}" >/dev/null ||
    fail 'runner-type is native, and not every machine was seen to be'
fi
pushed='[]'
if [ "$PUSH" = true ]; then
  pushed=$(cat "${PUSHED:?is missing: what push.sh wrote}")
  jq -e --argjson wanted "$(jq -s '[.[].images[].name] | unique' "${results[@]}")" '[.[].name] | sort == $wanted' <<<"$pushed" >/dev/null ||
    fail 'not all images were pushed'
fi

jq -s --arg revision "$REVISION" --arg runner_type "$RUNNER_TYPE" --arg at "$(date -u +%FT%TZ)" --argjson pushed "$pushed" '
  {revision: $revision, runner_type: $runner_type, at: $at,
   images: [.[] as $job | $job.images[] | . + {workload: $job.workload}
     | . as $image | . + {pushed: ([$pushed[] | select(.name == $image.name) | {reference, digest: .platforms[$image.platform]}][0])}],
   tests: [.[] | {workload, platform: "linux/\(.machine.arch)"} + if .tests then {tested: true} + .tests else {tested: false} end],
   machines: [.[] | {workload} + .machine]}' "${results[@]}" >"$out/manifest.json"

summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
jq -r '
  def cell: tostring | gsub("\\|"; "\\|");
  "## Images of \(.revision[0:12])", "",
  "| image | platform | bytes | id | pushed |", "|---|---|---:|---|---|",
  (.images[] | "| \(.name | cell) | \(.platform) | \(.bytes) | `\(.id)` | \(if .pushed then "`\(.pushed.reference)`, `\(.pushed.digest)`" else "no" end) |"),
  "", "| tried | platform | checks | not judged |", "|---|---|---:|---|",
  (.tests[] | "| \(.suite // .workload) | \(.platform) | \(if .tested then .checks else "not tried" end) | \((.not_judged // []) | join(", ")) |"),
  "", "| machine of | runner | emulated | engine | free bytes |", "|---|---|---|---|---:|",
  (.machines[] | "| \(.workload) \(.arch) | \(.machine) | \(if .emulated == null then "not observed" else .emulated end) | \(.engine) | \(.free_bytes.storage) |")
' "$out/manifest.json" >>"$summary"
