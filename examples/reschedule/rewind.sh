# Act 7 of examples/reschedule/run.sh, which sources this file: the slip of an operator is taken back.

slip_seconds=1  # How long before the slip the state is taken back to.

# More records than there is time for.
make_more_records() {
  awk 'BEGIN { for (i = 0; i < 200000; ++i) {
    print "Package: more-" i "\nVersion: 1\nArchitecture: all\nDescription: of these days\n" } }' \
    >"$work/more"
}

end_load() {
  { kill "$load_pid" && wait "$load_pid"; } 2>/dev/null || true
  load_pid=
}

# delete_table NAME: while it is loaded. Leaves in `deleted_ms` when, and in `deleted_at` the sequence
# of the last write that the table held.
delete_table() {
  start_load "$1" --threads 2
  within 60 reached 500 "$load_pid" || fail "nothing is loaded"
  sleep $((slip_seconds * 2))
  deleted_ms=$(milliseconds)
  deleted_at=$("$client" delete --port "${pod_port[$1]}" /items |
    sed -n 's/^200 .*"version":"[0-9]*\.\([0-9]*\)".*/\1/p')
  [ -n "$deleted_at" ] || fail "the table is not deleted"
  end_load
}

# The version of the last acknowledgement.
last_version() { cut -d ' ' -f 2 "$acks" | sort -t . -k 1,1n -k 2,2n | tail -n 1; }

# maintain DIRECTORY OPTION...: runs the catalog there for one piece of work, and leaves what it says in
# `said`.
maintain() {
  local command
  catalog_on "$1" "$archive_url" "${@:2}"
  said=$("${command[@]}" 2>&1) || fail "${*:2}: $said"
}

# part WHAT: prints what was compared last, as a further line of the act.
part() { printf '       %-36s  %s\n' "  $1" "$counts"; }

# What the rewind left behind is still in the archive: in a store of its own, which a pod serves.
compare_copy() {
  local volume=$work/copy archive_url= acks=$work/left-acks
  serve e
  compare e --after "$deleted_at" || fail "act 7: what was left behind: $counts"
  part "stored after it, in a copy"
  signal_pod e TERM
}

act_7() {
  local deleted_ms deleted_at target_ms began_ms last said
  make_more_records
  use_records more
  serve d
  delete_table d
  load_and_signal d $(($(acknowledged) + 2000)) TERM
  [ "$pod_exit" -eq 0 ] || fail "the pod ended with $pod_exit"
  last=$(last_version)
  cp "$acks" "$work/left-acks"

  began_ms=$(milliseconds)
  target_ms=$((deleted_ms - slip_seconds * 1000))
  maintain "$volume" --rewind-to "$target_ms"
  serve d "$began_ms"
  use_records records
  report 7 "table deleted, taken back by $slip_seconds s" d
  use_records more
  compare d --rewound-to "$(sed -n 's/.*rewound to sequence \([0-9]*\)$/\1/p' <<<"$said")" \
    --rewound-ms "$target_ms" || fail "act 7: what was loaded beside: $counts"
  part "being stored then"

  mkdir "$work/copy"
  maintain "$work/copy" --copy-of "$last"
  compare_copy

  load_until d $(($(acknowledged) + 2000))
  load_and_signal d $(($(acknowledged) + 2000)) TERM
  new_volume || fail "another volume"
  serve f
  compare f || fail "act 7: after going on: $counts"
  part "gone on, restored elsewhere"
  use_records records
  compare f || fail "act 7: the records, restored elsewhere: $counts"
}
