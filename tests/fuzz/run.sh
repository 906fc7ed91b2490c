#!/usr/bin/env bash
# Fuzzes the readers of snapshots, logs and archive entries, each for so many seconds, beginning with what is
# kept in corpus/. A finding is left in build/fuzz/findings, and replayed by giving it to build/fuzz/tests/fuzz/fuzz_NAME.
#
#   tests/fuzz/run.sh [SECONDS [NAME...]]      60 seconds, all three at a time
#   tests/fuzz/run.sh keep                     what build/fuzz/corpus found goes into corpus/, as little as covers the same
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=build/fuzz
all=(snapshot log entry)

mkdir -p build
cmake -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DMOORING_SANITIZE=address,undefined,fuzzer-no-link \
  -DMOORING_BUILD_FUZZERS=ON -DMOORING_BUILD_TESTS=OFF -DMOORING_BUILD_EXAMPLES=OFF \
  -DMOORING_BUILD_BENCHMARKS=OFF -DMOORING_WITH_S3=OFF >"$build.configure" 2>&1 ||
  { cat "$build.configure"; exit 1; }
cmake --build "$build" --target fuzz_snapshot fuzz_log fuzz_entry

if [ "${1:-}" = keep ]; then
  for name in "${all[@]}"; do
    "$build/tests/fuzz/fuzz_$name" -set_cover_merge=1 "tests/fuzz/corpus/$name" "$build/corpus/$name"
  done
  exit 0
fi

seconds=${1:-60}
names=("${@:2}")
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
mkdir -p "$build/findings"
fuzz() {  # fuzz NAME
  mkdir -p "$build/corpus/$1"
  "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=20000 -timeout=60 -rss_limit_mb=4096 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$1-" "$build/corpus/$1" \
    "tests/fuzz/corpus/$1" >"$build/$1.log" 2>&1
}

running=()
for name in "${names[@]}"; do
  fuzz "$name" &
  running+=($!)
done
failed=()
for i in "${!names[@]}"; do
  name=${names[$i]}
  wait "${running[$i]}" || { tail -n 60 "$build/$name.log"; failed+=("$name"); }
  echo "fuzz_$name: $(grep -oE 'number_of_executed_units: [0-9]+' "$build/$name.log" || true) in $seconds s," \
    "$(grep -oE 'cov: [0-9]+' "$build/$name.log" | tail -n 1 || true)"
done
[ ${#failed[@]} -eq 0 ] || { echo "FOUND: ${failed[*]}; see $build/findings"; exit 1; }
