#!/usr/bin/env bash
# Proves with nvcc that the kernels compile for every architecture, and records the sources' digest.
#
#     scripts/compile_kernels.sh           compile; fail where the recorded digest is stale
#     scripts/compile_kernels.sh --record  write the digest anew, after the sources were changed
#
# Nothing that it makes is shipped: at the user's, NVRTC compiles for the GPU that is there.
set -euo pipefail
cd "$(dirname "$0")/../cuda_ext"

digest() { # as redact/cuda/sources.py: "name size\n" and the content of each file, in order
  for file in $(printf '%s\n' *.cu *.cuh | LC_ALL=C sort); do
    printf '%s %s\n' "$file" "$(wc -c <"$file")"
    cat "$file"
  done | sha256sum | cut -d' ' -f1
}

if [ "${1:-}" = --record ]; then
  digest >sources.sha256
fi
if [ "$(digest)" != "$(cat sources.sha256)" ]; then
  echo "The kernels were changed: run the tests, then scripts/compile_kernels.sh --record" >&2
  exit 1
fi
if ! command -v nvcc >/dev/null; then
  echo "There is no nvcc: the kernels were not compiled." >&2
  exit 3
fi
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
for architecture in sm_75 sm_80 sm_86 sm_89 sm_90 sm_100 sm_120; do
  nvcc -std=c++17 -fmad=false --Werror all-warnings -Xptxas -warn-spills -Xptxas -Werror \
    -arch=$architecture -cubin redact.cu -o "$target/$architecture.cubin"
  echo "$architecture: $(wc -c <"$target/$architecture.cubin") bytes"
done
