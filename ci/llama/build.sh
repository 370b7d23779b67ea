#!/bin/sh
# Compiles /src for TARGETARCH into /out, and writes what that took to /facts/outputs. Runs in the stage `build`.
set -eu

case "$TARGETARCH" in
  amd64) processor=x86_64 ;;
  arm64) processor=aarch64 ;;
  *) echo "build.sh: no compiler for $TARGETARCH" >&2; exit 1 ;;
esac
prefix="$processor-linux-gnu"

# A source that is not the pinned one must not end in an image that says so.
if ! grep -qx "tree=$LLAMA_TREE" /src/PROVENANCE; then
  echo "build.sh: llama.cpp/ is not tree $LLAMA_TREE ($LLAMA_TAG): $(grep '^tree=' /src/PROVENANCE 2>&1)" >&2
  echo "build.sh: run fetch.ts again, or set LLAMA_TAG and LLAMA_TREE in the Dockerfile to what it pins." >&2
  exit 1
fi

# Portable and self-contained: no instruction of this very CPU, no shared library beyond libc and libstdc++, no download.
options="-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DGGML_CCACHE=OFF
  -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF
  -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_IS_DEV=OFF"
flags="-ffile-prefix-map=/src=. -ffile-prefix-map=/build=build"

# Objects of another compiler, platform or set of flags live elsewhere, so they cannot push these out.
compiler=$("$prefix-g++" -dumpfullversion)
hash=$(printf '%s\n' "$options" "$flags" | sha256sum | cut -c1-16)
export CCACHE_DIR="/ccache/gcc-$compiler-$TARGETARCH-$hash"
export CCACHE_COMPILERCHECK=content CCACHE_BASEDIR=/src CCACHE_MAXSIZE=1G
ccache --zero-stats >/dev/null

started=$(date +%s)
# The number of upstream's commits is known to a full clone only; the tree names the source, however it came here.
# shellcheck disable=SC2086
cmake -S /src -B /build -G Ninja $options \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$processor" \
  -DCMAKE_C_COMPILER="$prefix-gcc" -DCMAKE_CXX_COMPILER="$prefix-g++" \
  -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
  -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
  -DLLAMA_BUILD_NUMBER=0 -DLLAMA_BUILD_COMMIT="tree-$(printf %.12s "$LLAMA_TREE")"
cmake --build /build --target llama-server
seconds=$(($(date +%s) - started))

mkdir -p /out/usr/local/bin /out/usr/share/doc/llama-server/licenses
"$prefix-strip" -o /out/usr/local/bin/llama-server /build/bin/llama-server
install -m 755 /health.sh /out/usr/local/bin/llama-health
install -m 644 /src/LICENSE /out/usr/share/doc/llama-server/
# Not by which way it came: the image is the same either way.
grep -E '^(tag|tree)=' /src/PROVENANCE >/out/usr/share/doc/llama-server/SOURCE
install -m 644 /src/licenses/LICENSE-* /out/usr/share/doc/llama-server/licenses/
install -m 644 /src/vendor/cpp-httplib/LICENSE /out/usr/share/doc/llama-server/licenses/LICENSE-cpp-httplib
find /out -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

stat_of() {
  ccache --print-stats | awk -v name="$1" '$1 == name { print $2 }'
}
hits=$(($(stat_of direct_cache_hit) + $(stat_of preprocessed_cache_hit)))
misses=$(stat_of cache_miss)
mkdir -p /facts
{
  echo "ccache-hits=$hits"
  echo "ccache-misses=$misses"
  echo "ccache-hit-rate=$((hits + misses == 0 ? 0 : hits * 100 / (hits + misses)))"
  echo "build-seconds=$seconds"
  echo "build-id=$BUILD_ID"
  echo "binary-bytes=$(stat -c %s /out/usr/local/bin/llama-server)"
  echo "binary-sha256=$(sha256sum /out/usr/local/bin/llama-server | cut -d' ' -f1)"
} >/facts/outputs
cat /facts/outputs
