#!/bin/bash
# Tries the images that build.sh made, each suite once. What ran no check has not passed.
# WORKLOAD, ARCH, BUILD_ID. Writes tests.json: {suite, checks, not_judged, details}.
. "$(dirname "$0")/lib.sh"
: "${WORKLOAD:?is missing}" "${ARCH:?is missing}"
images_of "$WORKLOAD" >/dev/null
one_of ARCH "$ARCH" amd64 arm64
build_id
[ ! -e "$out/tests.json" ] || fail "$out/tests.json is there already" 'The images were tried in this job; a second time proves nothing more.'

rm -f "$out/suite.json"
bash "$top/ci/github/try-$WORKLOAD.sh" || fail "the images of $WORKLOAD for linux/$ARCH do not what they should; the lines above say what"
checks=$(jq -r '.checks' "$out/suite.json" 2>/dev/null) || checks=
[[ $checks =~ ^[0-9]{1,9}$ ]] || fail "the suite of $WORKLOAD has not said what it checked"
[ "$checks" -gt 0 ] || fail "the suite of $WORKLOAD ran no check"
mv "$out/suite.json" "$out/tests.json"
cat "$out/tests.json"
