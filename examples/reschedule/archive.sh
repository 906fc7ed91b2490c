# The archive of examples/reschedule/run.sh, which sources this file, and the acts that need it.

ship_interval_ms=500
takeover_wait_ms=1000  # Longer than the interval at which a living owner would write.
archive_url=
archive_every=  # Every so manyth record asks for archive durability.
late_pid=
noted_ms=0
noted_lag_ms=

# make_archive DIRECTORY: beside the volumes there, or with --s3 a gateway of its own there.
make_archive() {
  local what="a directory"
  archive_url=file://$1/archive
  if [ -n "$s3" ]; then
    MOORING_REQUIRE_SERVERS=1 "$root/tests/servers/rgw.sh" start "$1/rgw" 2>"$1/rgw-start.log" ||
      fail "the S3 gateway"
    unset AWS_SESSION_TOKEN
    export no_proxy=127.0.0.1
    set -a
    # shellcheck source=/dev/null
    source "$1/rgw/env"
    set +a
    archive_url="s3://$MOORING_RGW_BUCKET/catalog?endpoint=$MOORING_RGW_ENDPOINT"
    what="Ceph RGW at $MOORING_RGW_ENDPOINT"
  else
    mkdir "$1/archive"
  fi
  echo "archive: $what, sent to every $ship_interval_ms ms and at once for one record in" \
       "$archive_every; watched for $takeover_wait_ms ms before a takeover"
}

remove_archive() {
  [ ! -e "$work/rgw" ] || "$root/tests/servers/rgw.sh" stop "$work/rgw" || true
}

# status_field NAME FIELD: of the pod's archive; empty where it does not answer.
status_field() {
  "$client" get --port "${pod_port[$1]}" --timeout 10s /status 2>/dev/null |
    sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

is_shipping() { [ "$(status_field "$1" state)" = shipping ]; }
is_archived() { is_shipping "$1" && [ "$(status_field "$1" lag_bytes)" = 0 ]; }
is_fenced() { [ "$(status_field "$1" state)" = fenced ]; }

# note_lag NAME: leaves in `noted_lag_ms` how far the archive was behind after `noted_ms`.
note_lag() {
  noted_ms=$(milliseconds)
  noted_lag_ms=$(status_field "$1" lag_ms)
  [ -n "$noted_lag_ms" ] || fail "pod $1 does not tell its lag"
}

act_5() {
  local lag_ms destroyed_ms ready code=0
  serve b
  within 60 is_shipping b || fail "nothing is sent to the archive: $(status_field b last_error)"
  load_and_signal b "$(part_of_total 80)" KILL note_lag b
  # Of what was in the archive when it was noted all is there still. 10 ms for rounding.
  lag_ms=$((noted_lag_ms + dead_ms - noted_ms + 10))
  destroy_volume || fail "destroying the volume"
  destroyed_ms=$(milliseconds)
  new_volume || fail "an empty volume"
  serve c "$destroyed_ms"
  ready=$ready_ms
  compare c --volume-lost "$dead_ms" --lag "$lag_ms" || code=$?
  printf 'act 5  %-36s  %s  ready after %s ms\n       %-36s  %s\n' \
    "killed in mid-load, volume destroyed" "$(sed -n 1p <<<"$counts")" "$ready" \
    "  archive at most $lag_ms ms behind" "$(sed -n 2p <<<"$counts")"
  [ "$code" -eq 0 ] || fail "act 5"
}

# Records that only the zombie is asked to store.
make_late_records() {
  local i
  for ((i = 0; i < 200; ++i)); do
    printf 'Package: late-%d\nVersion: 1\nArchitecture: all\nDescription: too late\n\n' "$i"
  done >"$work/late"
}

# stop_owner NAME: stops the pod while no answer of it is under way. What is asked of it from here on
# is asked of a zombie; the kernel keeps it until the zombie wakes.
stop_owner() {
  within 60 is_archived "$1" || fail "the archive stays behind: $(status_field "$1" last_error)"
  kill -STOP "${pod_pid[$1]}"
  "$client" load --port "${pod_port[$1]}" --input "$work/late" --acks "$work/late-acks" --threads 4 \
    --archive-every 2 --keep-going --timeout 10m >"$work/late-counts" 2>"$work/late.log" &
  late_pid=$!
}

# wake_owner NAME: and sees that it notices.
wake_owner() {
  local code=0
  kill -CONT "${pod_pid[$1]}"
  within 120 gone "$late_pid" || fail "the zombie's client does not end"
  wait "$late_pid" || code=$?
  late_pid=
  [ "$code" -eq 3 ] || fail "the zombie refused nothing"
  within 60 is_fenced "$1" || fail "the zombie does not notice: $(status_field "$1" state)"
  grep -q 'answer 503: fenced: FAILED_PRECONDITION' "$work/late.log" || fail "no refusal as fenced"
  ! is_ready "$1" || fail "the zombie says that it is ready"
}

act_6() {
  local late ready code=0
  load_until c "$(part_of_total 90)"
  make_late_records
  stop_owner c
  new_volume || fail "another volume"
  serve d
  ready=$ready_ms
  load_until d "$total"
  wake_owner c
  late=$("$client" absent --port "${pod_port[d]}" --input "$work/late" --acks "$work/late-acks" \
    2>>"$work/client.log") || code=$?
  [ "$code" -ne 3 ] || fail "the new owner does not answer"
  signal_pod c TERM
  ready_ms=$ready
  report 6 "stopped, taken over, woken" d
  printf '       %-36s  %s\n' "  the zombie's late writes" "$late, $(sed 's/.*  //' "$work/late-counts")"
  [ "$code" -eq 0 ] || fail "act 6"
}
