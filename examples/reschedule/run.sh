#!/usr/bin/env bash
# The life of a stateful pod, on real input: a catalog of Debian packages in a service that is
# killed, moved to another node, doubled and terminated, that loses its volume, that is taken for dead,
# and whose operator deletes a table. After each act every record that a client was told is stored is
# read back and compared byte for byte; any loss that was not announced fails the script.
#
#   examples/reschedule/run.sh [--s3] [--input FILE]
#
# The state is archived to a directory, which stands for another volume; with --s3 to a real S3
# gateway (Ceph RGW), installed and started for this.
#
# FILE holds package records as `apt-cache dumpavail` prints them, which is the default. Installs
# what is missing, builds what it needs and cleans up behind itself. A pod that dies when it should
# not is started again, as Kubernetes would.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
close_timeout_seconds=10
load_seconds=300  # How long a load or a comparison may take, interruptions included.
input=
s3=

while [ $# -gt 0 ]; do
  case $1 in
    --input)
      [ $# -ge 2 ] && [ -r "$2" ] || { echo "--input needs a readable file" >&2; exit 2; }
      input=$(realpath "$2")
      shift 2
      ;;
    --s3) s3=yes; shift ;;
    *) echo "usage: $0 [--s3] [--input FILE]" >&2; exit 2 ;;
  esac
done

# shellcheck source=examples/reschedule/volume.sh
source "$root/examples/reschedule/volume.sh"
# shellcheck source=examples/reschedule/pods.sh
source "$root/examples/reschedule/pods.sh"
# shellcheck source=examples/reschedule/archive.sh
source "$root/examples/reschedule/archive.sh"
# shellcheck source=examples/reschedule/rewind.sh
source "$root/examples/reschedule/rewind.sh"

fail() {
  echo "FAILED: $*" >&2
  for log in $(ls -t "$work"/*.log 2>/dev/null | head -n 3); do
    { echo "--- $(basename "$log")"; tail -n 20 "$log"; } >&2
  done
  exit 1
}

milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# --- building -------------------------------------------------------------------------------------

build() {
  "$root/cmake/install-deps.sh" --demo ${s3:+--servers}
  echo "building the catalog and its client"
  (cd "$root" && cmake --preset release && cmake --build --preset release \
    --target catalog catalog_client) >"$work/build.log" 2>&1 || fail "the build"
  rm "$work/build.log"
  catalog=$root/build/release/examples/catalog/catalog
  client=$root/build/release/examples/catalog/client
}

prepare_input() {
  local refresh=(apt-get -qq update)
  [ "$(id -u)" -eq 0 ] || refresh=(sudo -n "${refresh[@]}")
  if [ -n "$input" ]; then
    cp "$input" "$work/records"
  else
    apt-cache dumpavail >"$work/records" 2>/dev/null || true
    if [ ! -s "$work/records" ]; then
      timeout 180 "${refresh[@]}" >/dev/null 2>&1 || true
      apt-cache dumpavail >"$work/records" 2>/dev/null || true
    fi
    [ -s "$work/records" ] || cp /var/lib/dpkg/status "$work/records"
  fi
  total=$("$client" count --input "$work/records") || fail "the input"
  archive_every=$(((total + 199) / 200))
  echo "input: $total package records, $(($(stat -c %s "$work/records") >> 20)) MiB"
}

part_of_total() { echo $((total * $1 / 100 > 0 ? total * $1 / 100 : 1)); }

# --- the acts -------------------------------------------------------------------------------------

act_1() {
  load_and_signal a "$(part_of_total 15)" KILL
  serve a
  report 1 "killed in mid-load, restarted" a
}

act_2() {
  load_and_signal a "$(part_of_total 30)" KILL
  detach_volume || fail "detaching the volume"
  stop_node
  local moved_ms
  moved_ms=$(milliseconds)
  { start_node && attach_volume; } || fail "attaching the volume to another node"
  serve a "$moved_ms"
  if [ -n "$image" ]; then
    report 2 "killed, volume moved to another node" a
  else
    report 2 "killed, restarted on the same node" a
  fi
  load_until a "$(part_of_total 35)"
}

is_waiting() {
  "$client" get --port "${pod_port[$1]}" /healthz 2>/dev/null | grep -q '^200 .*acquiring-lock' ||
    ! alive a
}

act_3() {
  local sample
  serve a
  start_pod b
  within 30 is_waiting b || fail "the second pod neither waits nor lives"
  for sample in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if is_ready b && is_ready a; then fail "two pods serve one volume at once (sample $sample)"; fi
    alive a || break
    is_ready a || ! alive a || fail "the first pod stopped serving when the second came"
  done
  load_and_signal_first "$(part_of_total 45)"
  serve b "$dead_ms"
  report 3 "two pods, the second takes over" b
}

# As load_and_signal, but a first pod that is dead already is not started again.
load_and_signal_first() {
  dead_ms=$(milliseconds)
  if alive a; then
    start_load a
    within $load_seconds reached "$1" "$load_pid" || fail "the load does not come to $1 records"
    signal_pod a KILL
    wait_for_load || true
  fi
}

act_4() {
  local closed end=$((SECONDS + load_seconds))
  load_and_signal b "$(part_of_total 55)" TERM
  while [ "$pod_exit" -eq 137 ] && [ "$SECONDS" -lt "$end" ]; do
    echo "pod b was killed before it could close; once more"
    load_and_signal b "$(part_of_total 55)" TERM
  done
  closed=$(sed -n 's/^catalog: \(closed: .*\)/\1/p' "${pod_log[b]}")
  [ "$pod_exit" -eq 0 ] || fail "the pod ended with $pod_exit: ${closed:-no report}"
  [[ $closed == *", archived,"* ]] || fail "not all was archived: $closed"
  [ "$ended_ms" -le $(((close_timeout_seconds + 5) * 1000)) ] || fail "it took $ended_ms ms to end"
  closed="SIGTERM, ended after $ended_ms ms"
  serve b
  load_until b "$(part_of_total 60)"
  report 4 "$closed" b
}

cleanup() {
  local pid
  trap - EXIT
  for pid in "${load_pid:-}" "${late_pid:-}" "${pod_pid[@]}"; do
    [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
  done
  remove_volumes
  remove_archive
  rm -rf "$work"
}

work=$(mktemp -d /var/tmp/mooring-reschedule-XXXXXX)
use_records records
pods=0
load_pid=
pod_exit=0
ended_ms=0
dead_ms=0
ready_ms=0
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build
prepare_input
make_volume "$work"
make_archive "$work"
act_1
act_2
act_3
act_4
act_5
act_6
act_7
use_records records
[ "$(acknowledged)" -ge "$total" ] || fail "$(acknowledged) of $total records were loaded"
echo "every acknowledged record survived what it was acknowledged for"
