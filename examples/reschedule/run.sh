#!/usr/bin/env bash
# The life of a stateful pod, on real input: a catalog of Debian packages in a service that is
# killed, moved to another node, doubled and terminated. After each act every record that a client
# was told is stored is read back and compared byte for byte; any loss fails the script.
#
#   examples/reschedule/run.sh [--input FILE]
#
# FILE holds package records as `apt-cache dumpavail` prints them, which is the default. Installs
# what is missing, builds what it needs and cleans up behind itself. A pod that dies when it should
# not is started again, as Kubernetes would.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
close_timeout_seconds=10
load_seconds=300  # How long a load or a comparison may take, interruptions included.
input=

while [ $# -gt 0 ]; do
  case $1 in
    --input)
      [ $# -ge 2 ] && [ -r "$2" ] || { echo "--input needs a readable file" >&2; exit 2; }
      input=$(realpath "$2")
      shift 2
      ;;
    *) echo "usage: $0 [--input FILE]" >&2; exit 2 ;;
  esac
done

# shellcheck source=examples/reschedule/volume.sh
source "$root/examples/reschedule/volume.sh"

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
  "$root/cmake/install-deps.sh" --demo
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
  echo "input: $total package records, $(($(stat -c %s "$work/records") >> 20)) MiB"
}

# --- pods -----------------------------------------------------------------------------------------

declare -A pod_pid pod_port pod_log pod_started_ms

# gone PID: it has ended, though nobody may have waited for it yet.
gone() { [ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || echo Z)" = Z ]; }

alive() { [ -n "${pod_pid[$1]:-}" ] && ! gone "${pod_pid[$1]}"; }

has_port() {
  pod_port[$1]=$(sed -n 's/^catalog: listening on port \([0-9]*\),.*/\1/p' "${pod_log[$1]}")
  [ -n "${pod_port[$1]}" ] || ! alive "$1"
}

# start_pod NAME: on the present node.
start_pod() {
  local options=(--volume "$volume" --port 0 --close-timeout ${close_timeout_seconds}s)
  [ -n "$image" ] || options+=(--allow-unsafe-volume)
  pods=$((pods + 1))
  pod_log[$1]=$work/pod-$pods-$1.log
  pod_started_ms[$1]=$(milliseconds)
  : >"${pod_log[$1]}"
  "${on_node[@]}" "$catalog" "${options[@]}" >"${pod_log[$1]}" 2>&1 &
  pod_pid[$1]=$!
  within 30 has_port "$1" || fail "pod $1 does not listen"
}

# signal_pod NAME SIGNAL: sends it and waits for the end. Leaves the exit code in `pod_exit` and the
# time it took in `ended_ms`.
signal_pod() {
  local pid=${pod_pid[$1]} begin
  begin=$(milliseconds)
  pod_exit=0
  {  # Without the shell's own word on the end of a job.
    kill "-$2" "$pid" || true
    within $((close_timeout_seconds + 20)) gone "$pid" || pod_exit=stuck
    [ $pod_exit = stuck ] || wait "$pid" || pod_exit=$?
  } 2>/dev/null
  [ $pod_exit != stuck ] || fail "pod $1 does not end after SIG$2"
  ended_ms=$(($(milliseconds) - begin))
  pod_pid[$1]=
}

# is_ready NAME: now.
is_ready() { "$client" get --port "${pod_port[$1]}" --timeout 10s /readyz 2>/dev/null | grep -q '^200'; }

# serve NAME [SINCE_MS]: returns when the pod is ready, starting it where it is not alive. Leaves in
# `ready_ms` how long that took, since SINCE_MS or else since the pod was started.
serve() {
  local since=${2:-} end=$((SECONDS + 120))
  while [ "$SECONDS" -lt "$end" ]; do
    if ! alive "$1"; then
      [ -z "${pod_pid[$1]:-}" ] || { echo "pod $1 has died; it is started again"; signal_pod "$1" KILL; }
      start_pod "$1"
    fi
    if [ -n "${pod_port[$1]}" ] &&
      "$client" wait --port "${pod_port[$1]}" --timeout 2s >/dev/null 2>&1; then
      ready_ms=$(($(milliseconds) - ${since:-${pod_started_ms[$1]}}))
      return 0
    fi
    [ -n "${pod_port[$1]}" ] || sleep 0.2
  done
  fail "pod $1 is not ready"
}

# --- loading and comparing ------------------------------------------------------------------------

acknowledged() { wc -l <"$acks"; }

reached() { [ "$(acknowledged)" -ge "$1" ] || gone "$2"; }

# load_and_signal NAME COUNT SIGNAL: loads into the pod and sends it the signal as soon as COUNT
# records are acknowledged, while the load goes on.
load_and_signal() {
  local end=$((SECONDS + load_seconds))
  while [ "$SECONDS" -lt "$end" ]; do
    serve "$1"
    "$client" load --port "${pod_port[$1]}" --input "$work/records" --acks "$acks" \
      2>>"$work/client.log" &
    load_pid=$!
    within $load_seconds reached "$2" "$load_pid" || fail "the load does not come to $2 records"
    if [ "$(acknowledged)" -ge "$2" ]; then
      signal_pod "$1" "$3"
      wait_for_load || true
      return 0
    fi
    wait_for_load && return 0
    echo "the load was interrupted at $(acknowledged) records; it goes on"
  done
  fail "the load does not come to $2 records"
}

# False: the service went away. Anything but success and that fails.
wait_for_load() {
  local code=0
  within 120 gone "$load_pid" || fail "the client does not end"
  wait "$load_pid" || code=$?
  load_pid=
  [ "$code" -eq 0 ] || [ "$code" -eq 3 ] || fail "the client ended with $code"
  [ "$code" -eq 0 ]
}

# load_until NAME COUNT
load_until() {
  local end=$((SECONDS + load_seconds))
  while [ "$SECONDS" -lt "$end" ]; do
    serve "$1"
    "$client" load --port "${pod_port[$1]}" --input "$work/records" --acks "$acks" \
      --stop-after "$2" 2>>"$work/client.log" &
    load_pid=$!
    within $load_seconds gone "$load_pid" || fail "the client does not end"
    wait_for_load && return 0
    echo "the load was interrupted at $(acknowledged) records; it goes on"
  done
  fail "the load does not come to $2 records"
}

# report ACT WHAT NAME: compares all that is acknowledged, and prints the act's line.
report() {
  local counts code=3 ready=$ready_ms end=$((SECONDS + load_seconds))
  while [ "$code" -eq 3 ] && [ "$SECONDS" -lt "$end" ]; do
    code=0
    counts=$(timeout 300 "$client" verify --port "${pod_port[$3]}" --input "$work/records" \
      --acks "$acks" 2>>"$work/client.log") || code=$?
    [ "$code" -ne 3 ] || serve "$3"
  done
  printf 'act %s  %-36s  %s  ready after %s ms\n' "$1" "$2" "${counts:-no answer}" "$ready"
  [ "$code" -eq 0 ] || fail "act $1"
}

part_of_total() { echo $((total * $1 / 100 > 0 ? total * $1 / 100 : 1)); }

# --- the acts -------------------------------------------------------------------------------------

act_1() {
  load_and_signal a "$(part_of_total 25)" KILL
  serve a
  report 1 "killed in mid-load, restarted" a
}

act_2() {
  load_and_signal a "$(part_of_total 50)" KILL
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
  load_until a "$(part_of_total 60)"
}

is_waiting() {
  "$client" get --port "${pod_port[$1]}" /healthz 2>/dev/null | grep -q '^200 .*acquiring-lock' ||
    ! alive a
}

act_3() {
  local sample gone_ms
  serve a
  start_pod b
  within 30 is_waiting b || fail "the second pod neither waits nor lives"
  for sample in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if is_ready b && is_ready a; then fail "two pods serve one volume at once (sample $sample)"; fi
    alive a || break
    is_ready a || ! alive a || fail "the first pod stopped serving when the second came"
  done
  load_and_signal_first "$(part_of_total 75)"
  gone_ms=$(milliseconds)
  serve b "$gone_ms"
  report 3 "two pods, the second takes over" b
}

# As load_and_signal, but a first pod that is dead already is not started again.
load_and_signal_first() {
  if alive a; then
    "$client" load --port "${pod_port[a]}" --input "$work/records" --acks "$acks" \
      2>>"$work/client.log" &
    load_pid=$!
    within $load_seconds reached "$1" "$load_pid" || fail "the load does not come to $1 records"
    signal_pod a KILL
    wait_for_load || true
  fi
}

act_4() {
  local closed end=$((SECONDS + load_seconds))
  load_and_signal b "$(part_of_total 85)" TERM
  while [ "$pod_exit" -eq 137 ] && [ "$SECONDS" -lt "$end" ]; do
    echo "pod b was killed before it could close; once more"
    load_and_signal b "$(part_of_total 85)" TERM
  done
  closed=$(sed -n 's/^catalog: \(closed: .*\)/\1/p' "${pod_log[b]}")
  [ "$pod_exit" -eq 0 ] || fail "the pod ended with $pod_exit: ${closed:-no report}"
  [ "$ended_ms" -le $(((close_timeout_seconds + 5) * 1000)) ] || fail "it took $ended_ms ms to end"
  closed="SIGTERM, ended after $ended_ms ms"
  serve b
  load_until b "$total"
  report 4 "$closed" b
  [ "$(acknowledged)" -ge "$total" ] || fail "$(acknowledged) of $total records were loaded"
}

cleanup() {
  local pid
  trap - EXIT
  for pid in "${load_pid:-}" "${pod_pid[@]}"; do
    [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
  done
  remove_volume
  rm -rf "$work"
}

work=$(mktemp -d /var/tmp/mooring-reschedule-XXXXXX)
acks=$work/acks
: >"$acks"
pods=0
load_pid=
pod_exit=0
ended_ms=0
ready_ms=0
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build
prepare_input
make_volume "$work"
act_1
act_2
act_3
act_4
echo "every acknowledged record survived"
