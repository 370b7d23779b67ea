#!/bin/bash
# Pushes what the build jobs saved, per platform by digest, and one index per image over all platforms, read back afterwards.
# RESULTS (folder of folders as result.sh made images/), REGISTRY, REPOSITORY (owner/name), REVISION, TAG_SUFFIX, BUILD_ID,
# REGISTRY_USER and REGISTRY_TOKEN (empty: none). Writes pushed.json.
. "$(dirname "$0")/lib.sh"
: "${RESULTS:?is missing}" "${REGISTRY:?is missing}" "${REPOSITORY:?is missing}" "${REVISION:?is missing}"
: "${TAG_SUFFIX?is missing}"
build_id
[[ $REVISION =~ ^[0-9a-f]{40}$ ]] || fail "REVISION is \"$REVISION\", not a commit"
tag=sha-${REVISION:0:12}${TAG_SUFFIX:+-$TAG_SUFFIX}
[[ $tag =~ ^[A-Za-z0-9._-]{1,100}$ ]] || fail "\"$tag\" is no tag" 'Use letters, digits, dots, hyphens and underscores in tag-suffix.'
# Registries know names in small letters only.
base=$REGISTRY/${REPOSITORY,,}

# A login is in a folder of this script's own, which is gone with it.
scratch=$(mktemp -d)
made=()
tidy() {
  [ "${#made[@]}" -eq 0 ] || docker image rm "${made[@]}" >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap tidy EXIT
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
[ ! -d "$plugins" ] || ln -s "$plugins" "$scratch/cli-plugins"
export DOCKER_CONFIG=$scratch
if [ -n "${REGISTRY_TOKEN:-}" ]; then
  docker login "$REGISTRY" --username "${REGISTRY_USER:?is missing}" --password-stdin <<<"$REGISTRY_TOKEN" >/dev/null 2>"$scratch/said" ||
    fail "$REGISTRY refuses the login: $(grep -v WARNING "$scratch/said" | tail -n 1)"
fi

mapfile -t results < <(find "$RESULTS" -mindepth 2 -maxdepth 2 -name result.json | sort)
[ "${#results[@]}" -gt 0 ] || fail "$RESULTS has no result.json: no build job has saved anything"

pushed='[]'
for image in $(jq -r '.images[].name' "${results[@]}" | sort -u); do
  digests=()
  platforms='{}'
  for result in "${results[@]}"; do
    wanted=$(jq -c --arg name "$image" '.images[] | select(.name == $name)' "$result")
    [ -n "$wanted" ] || continue
    platform=$(jq -r .platform <<<"$wanted")
    archive=$(dirname "$result")/$image.tar.gz
    [ -s "$archive" ] || fail "$archive is missing: the job for $platform saved no $image"
    loaded=$(docker load --quiet --input "$archive" | sed -n 's/^Loaded image: //p')
    made+=("$loaded")
    id=$(docker image inspect --format '{{.Id}}' "$loaded")
    [ "$id" = "$(jq -r .id <<<"$wanted")" ] ||
      fail "the archive of $image for $platform holds $id, and not $(jq -r .id <<<"$wanted") as its job built and tried it"
    reference=$base/$image:$tag-${platform#*/}
    docker tag "$loaded" "$reference"
    made+=("$reference")
    docker push "$reference" >"$scratch/push" 2>&1 || {
      cat "$scratch/push" >&2
      fail "$reference was not pushed" 'The job needs packages: write, and the package must let this repository write to it.'
    }
    # What the registry has acknowledged. An engine may know the image by digests of other registries, too.
    digest=$(sed -n 's/.*digest: \(sha256:[0-9a-f]\{64\}\).*/\1/p' "$scratch/push" | tail -n 1)
    [ -n "$digest" ] || fail "the registry gave no digest for $reference"
    echo "$base/$image@$digest $platform"
    digests+=("$base/$image@$digest")
    platforms=$(jq --arg platform "$platform" --arg digest "$digest" '.[$platform] = $digest' <<<"$platforms")
  done

  if docker buildx version >/dev/null 2>&1; then
    docker buildx imagetools create --tag "$base/$image:$tag" "${digests[@]}"
    read_index() { docker buildx imagetools inspect --raw "$1"; }
  else
    insecure=()
    [[ $REGISTRY != 127.0.0.1:* && $REGISTRY != localhost:* ]] || insecure=(--insecure)
    docker manifest create "${insecure[@]}" --amend "$base/$image:$tag" "${digests[@]}" >/dev/null
    docker manifest push "${insecure[@]}" --purge "$base/$image:$tag" >/dev/null
    read_index() { docker manifest inspect "${insecure[@]}" "$1"; }
  fi
  read_index "$base/$image:$tag" >"$scratch/index"
  kept=$(jq -c '[.manifests[]? | {key: "\(.platform.os)/\(.platform.architecture)", value: .digest}] | from_entries' "$scratch/index")
  [ "$(jq -S . <<<"$kept")" = "$(jq -S . <<<"$platforms")" ] ||
    fail "$base/$image:$tag holds $kept, and not $(jq -c . <<<"$platforms") as pushed"
  pushed=$(jq --arg name "$image" --arg reference "$base/$image:$tag" --argjson platforms "$platforms" \
    '. + [{name: $name, reference: $reference, platforms: $platforms}]' <<<"$pushed")
done
printf '%s\n' "$pushed" >"$out/pushed.json"
cat "$out/pushed.json"
