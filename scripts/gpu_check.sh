#!/usr/bin/env bash
# On a machine with an NVIDIA GPU, all at once: check and measure, in less than ten minutes.
#
#     scripts/gpu_check.sh [FOLDER]
#
# Each step has its own time limit and leaves its output in FOLDER (gpu-results); one that fails is
# said, and the others go on. What is measured is written part by part into gpu.json; to keep it,
# copy the file to scripts/bench_results/ and run scripts/bench_table.py on it.
#
# Packages are installed first, which takes as long as the network does. On a machine without one,
# have what redact[gpu,test] needs on PYTHONPATH, the models in REDACT_MODELS, and set REDACT_READY=1.
set -uo pipefail
cd "$(dirname "$0")/.."
results=$(realpath -m "${1:-gpu-results}")
mkdir -p "$results"
: >"$results/summary.txt"
failed=0

step() { # SECONDS NAME COMMAND...
  local seconds=$1 name=$2
  shift 2
  echo "== $name"
  timeout -k 5 "$seconds" "$@" >"$results/$name.txt" 2>&1 </dev/null
  local code=$?
  tail -n 4 "$results/$name.txt"
  [ $code -eq 0 ] || failed=$((failed + 1))
  [ $code -ne 124 ] || echo "$name: did not end within $seconds s" >>"$results/summary.txt"
  echo "$name: exit code $code" | tee -a "$results/summary.txt"
}

step 15 machine sh -c 'nvidia-smi; nvidia-smi -q -d UTILIZATION | grep -iE "enc|dec"
  ldconfig -p | grep -E "libcuda|nvcuvid|nvidia-encode|libcublas|libcudnn"
  find / -xdev -name "libnvcuvid*" 2>/dev/null; command -v compute-sanitizer nvcc; nproc; free -g'
if [ -z "${REDACT_READY:-}" ]; then
  export REDACT_EXTRAS=${REDACT_EXTRAS:-gpu,test}
  source scripts/environment.sh || exit
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
test=(python -m pytest -q -rs -p no:cacheprovider --maxfail=5 tests/gpu)

step 40 packages python -X faulthandler scripts/gpu_packages.py
[ -n "${REDACT_MODELS:-}" ] || step 60 models python -m redact models pull
step 30 doctor python -m redact doctor
step 80 kernels "${test[@]}" -k "methods or letterbox or decode_and_merge"
step 80 clips "${test[@]}" -k "not methods and not letterbox and not decode_and_merge and not sanitizer"
step 150 bench python -m redact bench --device cuda --seconds 6 -o "$results/gpu.json"
step 60 memcheck "${test[@]}" -k "sanitizer and memcheck"
step 60 racecheck "${test[@]}" -k "sanitizer and racecheck"
step 30 bench-cpu python -m redact bench --device cpu --clips 1 --seconds 1 -o "$results/cpu.json"
echo
cat "$results/summary.txt"
echo "$failed steps failed; what they said is in $results"
[ "$failed" -eq 0 ]
