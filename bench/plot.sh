#!/usr/bin/env bash
# From the JSON of the benchmarks in DIR: all rows as benchmarks.json, in Google Benchmark's format,
# and the ratios as SVG plots.
#
#   bench/plot.sh DIR
set -euo pipefail

cd "${1:?usage: bench/plot.sh DIR}"

# One row of Google Benchmark's for each of ours.
to_rows() {
  jq '
    def row($name; $p50; $rate): {
      name: $name, run_name: $name, run_type: "aggregate", aggregate_name: "median",
      real_time: $p50, cpu_time: $p50, time_unit: "us", items_per_second: $rate };
    .benchmark as $bench
    | if $bench == "commit_bench" then .results[]
        | row("commit/\(.survives)/writers:\(.writers)/bytes:\(.value_bytes)/\(.peer)"; .p50_us; .commits_per_second)
      elif $bench == "ycsb_bench" then .results[]
        | row("ycsb/\(.workload)/threads:\(.threads)/\(.peer)"; .p50_us; .operations_per_second)
      elif $bench == "read_bench" then .results[] | (
        row("get/threads:\(.threads)/rocksdb"; 1e6 * .threads / .rocksdb_gets_per_second; .rocksdb_gets_per_second),
        row("get/threads:\(.threads)/mooring"; 1e6 * .threads / .mooring_gets_per_second; .mooring_gets_per_second))
      elif $bench == "open_bench" then .results[]
        | row("open/\(.peer)"; 1000 * .open_ms; 1000 / .open_ms)
      elif $bench == "store_bench" then .results[]
        | row("\(.workload | gsub(" "; "_"))/threads:\(.threads)/\(.peer)"; .p50_us; .calls_per_second)
      elif $bench == "growth_bench" then .results[]
        | row("\(.what | rtrimstr(" ms") | gsub(" "; "_"))/mib:\(.mib)/\(.peer)"; 1000 * .ms; 1000 / .ms)
      elif $bench == "snapshot_bench" then .results[]
        | row("snapshot/\(.what | gsub(" "; "_"))"; 1e6 / .mebibytes_per_second; .mebibytes_per_second)
      else (.archived // [])[] | row("archive/\(.what)/writers:\(.writers)"; .p50_us; .per_second)
      end' "$@"
}

jq -s '{ context: { library: "mooring", aggregate: "median" }, benchmarks: . }' \
  <(for file in *_bench.json; do to_rows "$file"; done) >benchmarks.json

# How many times as fast as each peer Mooring is: a group of bars for each cell.
plot() {  # plot NAME TITLE, with "cell peer ratio" on standard input
  local name=$1 title=$2 peers
  cat >"$name.rows"
  [ -s "$name.rows" ] || { rm "$name.rows"; return; }
  local bars="" column=1 color=0 peer
  peers=""
  for peer in rocksdb leveldb lmdb sqlite wiredtiger limit; do  # In each plot with its own colour.
    color=$((color + 1))
    grep -q " $peer " "$name.rows" || continue
    column=$((column + 1))
    peers+="$peer "
    bars+="\"$name.dat\" using $column:xtic(1) linecolor $color title columnheader, "
  done
  {
    echo "cell $peers" | tr '\n' ' '
    echo
    awk -v peers="$peers" '
      BEGIN { count = split(peers, names, /[ \n]+/) }
      !($1 in seen) { seen[$1] = 1; order[++cells] = $1 }
      { ratio[$1, $2] = $3 }
      END {
        for (i = 1; i <= cells; ++i) {
          line = order[i]
          for (j = 1; j <= count; ++j) line = line " " ((order[i], names[j]) in ratio ? ratio[order[i], names[j]] : "nan")
          print line
        }
      }' "$name.rows"
  } >"$name.dat"
  gnuplot <<PLOT
set terminal svg size 960,420 font "sans-serif,12" background "white"
set output "$name.svg"
set title "$title"
set ylabel "Mooring is x times as fast"
set logscale y 2
set yrange [0.0625:*]
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set grid ytics
set key outside right
set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2
set xtics rotate by -20
plot ${bars%, }
PLOT
  rm "$name.rows" "$name.dat"
}

commit_rows() {
  jq -r --arg survives "$1" '.results[] | select(.peer == "mooring" and .survives == $survives)
    | . as $row | .ratio_to | to_entries[] | select(.key != "mooring")
    | "\($row.writers)x\($row.value_bytes)B \(.key) \(.value)"' commit_bench.json
}

commit_rows power | plot commits "Durable commits, writers x bytes of a value"
commit_rows process | plot commits-process "Commits that survive the process, writers x bytes of a value"
jq -r '.results[] | select(.peer == "mooring") | . as $row | .ratio_to | to_entries[]
  | select(.key != "mooring") | "\($row.workload) \(.key) \(.value)"' ycsb_bench.json |
  plot ycsb "YCSB with durable commits"
jq -r '.results[] | select(.peer == "mooring") | . as $row | .ratio_to | to_entries[]
  | select(.key != "mooring") | "\($row.workload | gsub(" "; "-"))x\($row.threads) \(.key) \(.value)"' store_bench.json |
  plot store "Loads, reads, scans and commits of 100, x threads"
jq -r '.results[] | select(.peer == "mooring" and .ratio_to_rocksdb > 0)
  | "\(.what | rtrimstr(" ms") | gsub(" "; "-"))-\(.mib)-MiB rocksdb \(1 / .ratio_to_rocksdb)"' growth_bench.json |
  plot growth "Opening, reading, closing as a store grows"
