#!/usr/bin/env bash
# On a machine with an NVIDIA GPU, all at once: install, check, measure. About ten minutes.
#
#     scripts/gpu_check.sh [FOLDER]
#
# Each step has its own time limit and leaves its output in FOLDER (gpu-results), so that what was
# done before one fails is there. The measurements are gpu.json; to keep them, copy the file to
# scripts/bench_results/ and run scripts/bench_table.py on it. On a machine without a network, have
# what redact[gpu,test] needs on PYTHONPATH and set REDACT_READY=1: nothing is installed then.
set -uo pipefail
cd "$(dirname "$0")/.."
results=$(realpath -m "${1:-gpu-results}")
mkdir -p "$results"

step() { # SECONDS NAME COMMAND...
  local seconds=$1 name=$2
  shift 2
  echo "== $name"
  timeout "$seconds" "$@" >"$results/$name.txt" 2>&1
  local code=$?
  tail -n 5 "$results/$name.txt"
  echo "$name: exit code $code" | tee -a "$results/summary.txt"
}

step 20 machine sh -c "nvidia-smi; ldconfig -p | grep -E 'nvcuvid|nvidia-encode'; nproc"
if [ -z "${REDACT_READY:-}" ]; then
  export REDACT_EXTRAS=${REDACT_EXTRAS:-gpu,test}
  source scripts/environment.sh || exit
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
step 60 models python -m redact models pull
step 60 doctor python -m redact doctor
step 240 tests python -m pytest -q -rs tests/gpu -k "not sanitizer"
step 240 bench python -m redact bench --device cuda --seconds 20 -o "$results/gpu.json"
step 60 bench-cpu python -m redact bench --device cpu --clips 1 --seconds 2 -o "$results/cpu.json"
step 120 sanitizer python -m pytest -q -rs tests/gpu -k "sanitizer"
cat "$results/summary.txt"
