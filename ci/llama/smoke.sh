#!/bin/sh
# Runs smoke.ts inside an image that has no Node: with the one that fetch.ts put beside it for this machine.
set -eu
here=$(dirname "$0")
exec "$here/node/$(uname -m)/node" "$here/smoke.ts" --model "$here/tiny.gguf" "$@"
