#!/bin/bash
# Builds the images of one workload for one architecture into the engine. Compilers run on the engine's own architecture.
# WORKLOAD llama|federation, ARCH, BUILD_ID. Writes images.json.
. "$(dirname "$0")/lib.sh"
: "${WORKLOAD:?is missing}" "${ARCH:?is missing}"
images=$(images_of "$WORKLOAD")
one_of ARCH "$ARCH" amd64 arm64
build_id

if [ "$WORKLOAD" = llama ]; then
  tree=$(jq -r .tree "$top/ci/llama/source.json")
  if ! grep -qsx "tree=$tree" "$top/ci/llama/llama.cpp/PROVENANCE"; then
    rm -rf "$top/ci/llama/llama.cpp"
    llama=(ci/llama/fetch.ts ci/llama/source.ts ci/llama/tiny-model.ts ci/llama/source.json)
    tools ci/sidecar "package.json package-lock.json ${llama[*]}" 'node ci/llama/fetch.ts' \
      "$top/ci/llama" 'ci/llama/llama.cpp ci/llama/node ci/llama/tiny.gguf'
  fi
fi

found='[]'
for image in $images; do
  name=$(local_name "$image")
  case "$WORKLOAD" in
    llama) build --platform "linux/$ARCH" --tag "$name" "$top/ci/llama" ;;
    federation) build --platform "linux/$ARCH" --target "${image#federation-}" --tag "$name" "$top/ci/federation" ;;
  esac || fail "$image was not built for linux/$ARCH; its last step says why"
  got=$(docker image inspect --format '{{.Os}}/{{.Architecture}} {{.Id}} {{.Size}}' "$name")
  read -r platform id bytes <<<"$got"
  [ "$platform" = "linux/$ARCH" ] || fail "$image is for $platform, and not for linux/$ARCH as asked"
  found=$(jq --arg name "$image" --arg platform "$platform" --arg id "$id" --argjson bytes "$bytes" \
    '. + [{name: $name, platform: $platform, id: $id, bytes: $bytes}]' <<<"$found")
done
printf '%s\n' "$found" >"$out/images.json"
cat "$out/images.json"
