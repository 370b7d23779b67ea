#!/bin/bash
# What this job found out, as one file for the jobs after it: result/result.json. With SAVE=true also images/: the same file with
# the images as archives.
# WORKLOAD, ARCH, BUILD_ID, RUN_TESTS true|false, SAVE true|false.
. "$(dirname "$0")/lib.sh"
: "${WORKLOAD:?is missing}" "${ARCH:?is missing}" "${RUN_TESTS:?is missing}" "${SAVE:?is missing}"
one_of RUN_TESTS "$RUN_TESTS" true false
one_of SAVE "$SAVE" true false
build_id
tests=null
if [ "$RUN_TESTS" = true ]; then
  [ -s "$out/tests.json" ] || fail 'there is no tests.json: the images were to be tried and were not'
  tests=$(cat "$out/tests.json")
fi
mkdir -p "$out/result"
jq --arg workload "$WORKLOAD" --slurpfile machine "$out/machine.json" --argjson tests "$tests" \
  '{workload: $workload, machine: $machine[0], images: ., tests: $tests}' "$out/images.json" >"$out/result/result.json"
[ "$SAVE" = true ] || exit 0
mkdir -p "$out/images"
cp "$out/result/result.json" "$out/images/"
for image in $(images_of "$WORKLOAD"); do
  docker save "$(local_name "$image")" | gzip -1 >"$out/images/$image.tar.gz"
done
