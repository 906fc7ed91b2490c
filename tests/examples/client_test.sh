#!/usr/bin/env bash
# client_test.sh CATALOG CLIENT: the oracle of examples/reschedule must be able to fail. A record
# that the log says was acknowledged and that the service lacks, or has with other bytes, is lost.
set -euo pipefail
catalog=$1 client=$2
work=$(mktemp -d "${TEST_TMPDIR:-/var/tmp}/mooring-client-XXXXXX")
pid=
cleanup() {
  [ -z "$pid" ] || { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# records COUNT TEXT: so many stanzas.
records() {
  local i
  for ((i = 0; i < $1; ++i)); do
    printf 'Package: p%d\nVersion: 1+b%d\nArchitecture: all\nDescription: %s\n\n' "$i" "$i" "$2"
  done
}
records 20 "as it was" >"$work/records"
{ records 10 "as it was"; records 25 "changed"; } >"$work/more"
mkdir "$work/store"
"$catalog" --volume "$work/store" --allow-unsafe-volume --port 0 --ready-file "$work/ready" \
  2>"$work/log" &
pid=$!
for ((i = 0; i < 600; ++i)); do [ -s "$work/ready" ] && break; sleep 0.1; done
port=$(cat "$work/ready")

run() { timeout 120 "$client" "$1" --port "$port" --input "$work/$2" --acks "$work/$3" 2>&1; }
expect() {  # expect CODE PATTERN COMMAND...
  local code=0 output pattern=$2 wanted=$1
  shift 2
  output=$("$@") || code=$?
  if [ "$code" -ne "$wanted" ] || ! grep -q "$pattern" <<<"$output"; then
    echo "$*: exit $code, not $wanted, or no \"$pattern\" in: $output"
    exit 1
  fi
}

expect 0 "" run load records acks
expect 0 "^acknowledged 20  recovered 20  lost 0$" run verify records acks

# A torn last line is no acknowledgement, and a load goes on behind the last whole one.
head -n 5 "$work/acks" >"$work/torn"
echo -n "p19_1+b19_all 00" >>"$work/torn"
expect 0 "^acknowledged 5  recovered 5  lost 0$" run verify records torn
expect 0 "" run load records torn
expect 0 "^acknowledged 20  recovered 20  lost 0$" run verify records torn

# Another service has acknowledged ten records that this one has with other bytes, and five that it
# does not have.
mkdir "$work/other"
"$catalog" --volume "$work/other" --allow-unsafe-volume --port 0 --ready-file "$work/ready2" \
  2>"$work/log2" &
other=$!
for ((i = 0; i < 600; ++i)); do [ -s "$work/ready2" ] && break; sleep 0.1; done
timeout 120 "$client" load --port "$(cat "$work/ready2")" --input "$work/more" --acks "$work/acks2"
kill -KILL "$other"; { wait "$other" || true; } 2>/dev/null
expect 1 "^acknowledged 25  recovered 10  lost 15$" run verify more acks2

# Acknowledgements of other records cannot be compared.
expect 2 "is not of" run verify records acks2

kill -TERM "$pid"; wait "$pid"
pid=
grep -q "closed: synced, released" "$work/log" || { cat "$work/log"; exit 1; }
expect 3 "no answer" run verify records acks
