#!/usr/bin/env bash
# Compares Mooring with what a user would pick instead, on this machine and on a volume of choice.
# Builds what it needs, runs each benchmark (what is compared in one takes turns, round by round), and
# leaves the tables, the results as JSON and the plots in build/bench.
#
#   bench/run.sh [--volume DIR] [--quick|--full]
#
#   --volume DIR  on the disk to measure; default: build. Needs 6 GiB there,
#                 and 50 GiB for --full.
#   --quick       every comparison within 10 minutes, the first build included:
#                 fewer rounds and sizes, less data, and so ratios that vary more
#   --full        more rounds, up to 10 GiB, about 50 minutes; the default
#
#   build/bench/report.md         the machine and every table
#   build/bench/benchmarks.json   every row, in Google Benchmark's format
#   build/bench/*.svg             the ratios as pictures
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
volume=build
mode=full

while [ $# -gt 0 ]; do
  case $1 in
    --volume)
      [ $# -ge 2 ] && [ -d "$2" ] && [ -w "$2" ] || { echo "--volume needs a directory that can be written" >&2; exit 2; }
      volume=$2
      shift 2
      ;;
    --quick|--full) mode=${1#--}; shift ;;
    *) sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

# Name, minutes, and arguments of each benchmark.
if [ "$mode" = quick ]; then
  steps=(
    "commit_bench 2 --rounds 2 --seconds 0.15 --settle 0.05 --values 100,1024,16384"
    "ycsb_bench 1 --rounds 2 --seconds 0.4 --records 50000"
    "store_bench 1 --rounds 2 --seconds 0.2 --records 30000"
    "growth_bench 0 --rounds 3 --sizes 10,100"
    "read_bench 0 --rounds 3 --seconds 0.2 --keys 300000"
    "open_bench 1 --rounds 2"
    "archive_bench 1 --rounds 2 --seconds 0.2 --only commits,archived,checkpoint,growth,restore --store-mib 64"
    "snapshot_bench 1 --rounds 2 --seconds 0.7 --mib 128"
  )
else
  steps=(
    "commit_bench 11 --rounds 3 --seconds 0.7 --settle 0.2"
    "ycsb_bench 7 --rounds 3"
    "store_bench 6 --rounds 3"
    "growth_bench 10 --sizes 10,100,1024,10240 --peers rocksdb,mooring"
    "read_bench 2 --rounds 5"
    "open_bench 1 --rounds 3"
    "archive_bench 8 --rounds 3"
    "snapshot_bench 4 --rounds 3"
  )
fi

cmake/install-deps.sh --bench
mkdir -p build
cmake --preset release ${MOORING_CMAKE_ARGUMENTS:-} >build/bench-configure.log 2>&1 ||
  { cat build/bench-configure.log; exit 1; }
cmake --build --preset release --target commit_bench ycsb_bench store_bench growth_bench read_bench open_bench archive_bench snapshot_bench

out=build/bench
rm -rf "$out"
mkdir -p "$out"

describe_machine() {
  local processor kernel memory device
  processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  kernel=$(uname -sr)
  memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
  device=$(findmnt --noheadings --output FSTYPE,OPTIONS --target "$volume" | head -n 1)
  printf -- '- %s processors (%s), %s, %s\n' "$(nproc)" "${processor:-unknown}" "$memory" "$kernel"
  printf -- '- the volume: %s\n' "$device"
  printf -- '- load when it began: %s\n\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
}

minutes_left() {  # minutes_left INDEX: of the steps from there on
  local sum=0 step
  for step in "${steps[@]:$1}"; do
    read -r _ minutes _ <<<"$step"
    sum=$((sum + minutes))
  done
  echo "$sum"
}

run_all() {
  local i name arguments
  for i in "${!steps[@]}"; do
    read -r name _ arguments <<<"${steps[$i]}"
    echo "=== $((i + 1)) of ${#steps[@]}: $name; about $(minutes_left "$i") min left" >&2
    # shellcheck disable=SC2086  # The arguments are words.
    "build/release/bench/$name" --volume "$volume" --json "$out/$name.json" $arguments >"$out/$name.txt"
    printf '## %s\n\n' "$name"
    cat "$out/$name.txt"
    echo
  done
}

{ printf '# Mooring, measured here\n\n'; describe_machine; run_all; } >"$out/report.md"
bench/plot.sh "$out"
cat "$out/report.md"
echo "the report, the results and the plots are in $out"
