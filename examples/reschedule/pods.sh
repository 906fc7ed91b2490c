# The pods of examples/reschedule/run.sh, which sources this file: starting and ending them, loading
# into them and comparing what they hold with what they acknowledged.

declare -A pod_pid pod_port pod_log pod_started_ms

# gone PID: it has ended, though nobody may have waited for it yet.
gone() { [ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || echo Z)" = Z ]; }

alive() { [ -n "${pod_pid[$1]:-}" ] && ! gone "${pod_pid[$1]}"; }

has_port() {
  pod_port[$1]=$(sed -n 's/^catalog: listening on port \([0-9]*\),.*/\1/p' "${pod_log[$1]}")
  [ -n "${pod_port[$1]}" ] || ! alive "$1"
}

# catalog_on DIRECTORY ARCHIVE_URL OPTION...: leaves in `command` how the catalog is run there, on the
# present node.
catalog_on() {
  command=("${on_node[@]}" "$catalog" --volume "$1" --close-timeout ${close_timeout_seconds}s
    --archive "$2" --ship-interval ${ship_interval_ms}ms --takeover-wait ${takeover_wait_ms}ms "${@:3}")
  [ -n "$image" ] || command+=(--allow-unsafe-volume)
}

# start_pod NAME: on the present node.
start_pod() {
  local command
  catalog_on "$volume" "$archive_url" --port 0
  pods=$((pods + 1))
  pod_log[$1]=$work/pod-$pods-$1.log
  pod_started_ms[$1]=$(milliseconds)
  : >"${pod_log[$1]}"
  "${command[@]}" >"${pod_log[$1]}" 2>&1 &
  pod_pid[$1]=$!
  within 30 has_port "$1" || fail "pod $1 does not listen"
}

# signal_pod NAME SIGNAL: sends it and waits for the end. Leaves the exit code in `pod_exit`, the time
# it took in `ended_ms`, and the time of day in `dead_ms`.
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
  dead_ms=$(milliseconds)
  ended_ms=$((dead_ms - begin))
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

# use_records NAME: what is loaded and compared from here on.
use_records() {
  records=$work/$1
  acks=$work/$1-acks
  touch "$acks"
}

acknowledged() { wc -l <"$acks"; }

# start_load NAME [OPTION...]: in the background. Some of the records ask for archive durability.
start_load() {
  local pod=$1
  shift
  "$client" load --port "${pod_port[$pod]}" --input "$records" --acks "$acks" \
    --archive-every "$archive_every" "$@" 2>>"$work/client.log" &
  load_pid=$!
}

reached() { [ "$(acknowledged)" -ge "$1" ] || gone "$2"; }

# load_and_signal NAME COUNT SIGNAL [COMMAND...]: loads into the pod and sends it the signal as soon as
# COUNT records are acknowledged, while the load goes on. The command is run right before.
load_and_signal() {
  local end=$((SECONDS + load_seconds))
  while [ "$SECONDS" -lt "$end" ]; do
    serve "$1"
    start_load "$1"
    within $load_seconds reached "$2" "$load_pid" || fail "the load does not come to $2 records"
    if [ "$(acknowledged)" -ge "$2" ]; then
      "${@:4}"
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
    start_load "$1" --stop-after "$2"
    within $load_seconds gone "$load_pid" || fail "the client does not end"
    wait_for_load && return 0
    echo "the load was interrupted at $(acknowledged) records; it goes on"
  done
  fail "the load does not come to $2 records"
}

# compare NAME [OPTION...]: all that is acknowledged with what the pod holds. Leaves what the client
# says in `counts`. False: something is lost.
compare() {
  local pod=$1 code=3 end=$((SECONDS + load_seconds))
  shift
  counts=
  while [ "$code" -eq 3 ] && [ "$SECONDS" -lt "$end" ]; do
    code=0
    counts=$(timeout 300 "$client" verify --port "${pod_port[$pod]}" --input "$records" \
      --acks "$acks" "$@" 2>>"$work/client.log") || code=$?
    [ "$code" -ne 3 ] || serve "$pod"
  done
  return "$code"
}

# report ACT WHAT NAME [OPTION...]: compares, and prints the act's line.
report() {
  local act=$1 what=$2 ready=$ready_ms code=0
  shift 2
  compare "$@" || code=$?
  printf 'act %s  %-36s  %s  ready after %s ms\n' "$act" "$what" "${counts:-no answer}" "$ready"
  [ "$code" -eq 0 ] || fail "act $act"
}
