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

run() {
  timeout 120 "$client" "$1" --port "$port" --input "$work/$2" --acks "$work/$3" "${@:4}" 2>&1
}
run_late() {
  timeout 120 "$client" load --port "$port" --input "$work/late" --acks "$work/late-acks" \
    --keep-going "$@" 2>&1
}
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
echo -n "0123456789abcdef 1.6 volume 17000 p19_1+b1" >>"$work/torn"
expect 0 "^acknowledged 5  recovered 5  lost 0$" run verify records torn
expect 0 "" run load records torn
expect 0 "^acknowledged 20  recovered 20  lost 0$" run verify records torn

# Another service has acknowledged ten records that this one has with other bytes, and five that it
# does not have.
mkdir "$work/other" "$work/archive"
"$catalog" --volume "$work/other" --allow-unsafe-volume --port 0 --ready-file "$work/ready2" \
  --archive "file://$work/archive" 2>"$work/log2" &
other=$!
for ((i = 0; i < 600; ++i)); do [ -s "$work/ready2" ] && break; sleep 0.1; done
timeout 120 "$client" load --port "$(cat "$work/ready2")" --input "$work/more" --acks "$work/acks2" \
  --archive-every 25 --threads 1
kill -KILL "$other"; { wait "$other" || true; } 2>/dev/null
expect 1 "^acknowledged 25  recovered 10  lost 15$" run verify more acks2

# Acknowledgements of other records cannot be compared.
expect 2 "is not of" run verify records acks2

# The other one's volume was lost. The first record it acknowledged at the archive; the others may be
# lost where the archive was far enough behind. They are loaded again.
verify_loss() {
  timeout 120 "$client" verify --port "$port" --input "$work/more" --acks "$work/$1" \
    --volume-lost "$2" --lag "$3" 2>&1
}
now=$((${EPOCHREALTIME/[.,]/} / 1000))
volume_only="^on the volume only: acknowledged 24  recovered 9  lost 15, of the last [0-9]* ms$"
expect 1 "$volume_only" verify_loss acks2 $((now + 900000)) 600000
expect 1 "the lag was 600000 ms" verify_loss acks2 $((now + 900000)) 600000
cp "$work/acks2" "$work/acks3"
expect 0 "$volume_only" verify_loss acks3 "$now" 600000
expect 0 "^acknowledged 10  recovered 10  lost 0$" run verify more acks3

# What is acknowledged at the archive may not be lost, and neither what was acknowledged before.
sed '$s/ volume / archive /' "$work/acks2" >"$work/acks4"
expect 1 "^at the archive: acknowledged 25  recovered 10  lost 15$" verify_loss acks4 "$now" 600000

# A zombie's client: nothing may be there, and nothing acknowledged at the archive.
absent() {
  timeout 120 "$client" absent --port "$port" --input "$work/$1" --acks "$work/$2" 2>&1
}
records 5 "too late" | sed 's/^Package: p/Package: late/' >"$work/late"
expect 0 "^acknowledged at the archive 0, on the volume only 0; found 0 of 5$" absent late none
expect 1 "^acknowledged at the archive 0, on the volume only 20; found 20 of 20$" absent records acks
expect 1 "^acknowledged at the archive 1, on the volume only 24; found 20 of 25$" absent more acks2

# A service that was taken back in time: what came by then is there, what came later is not, and is
# loaded again. This one was taken back nowhere, so that all is there, and acknowledgements are made up.
rewound() {
  timeout 120 "$client" verify --port "$port" --input "$work/$1" --acks "$work/$2" --rewound-to "$3" \
    --rewound-ms "${4:-1}" 2>&1
}
expect 1 "^acknowledged 10  recovered 10  lost 0; of 10 later ones found 10$" rewound records acks 10
expect 0 "^acknowledged 20  recovered 20  lost 0; of 0 later ones found 0$" rewound records acks 20
cp "$work/acks2" "$work/acks5"
expect 1 "lost 15; of 0 later ones found 0$" rewound more acks5 25
expect 1 "lost 15; of 0 later ones found 0$" rewound more acks5 10 $((now + 900000))
grep -v " p\(1[0-9]\|[0-9]\)_" "$work/acks2" >"$work/acks6"
expect 0 "^acknowledged 0  recovered 0  lost 0; of 5 later ones found 0$" rewound more acks6 1
[ ! -s "$work/acks6" ]
expect 0 "^acknowledged 5  recovered 5  lost 0$" run verify records acks --after 15

# A service without an archive refuses what asks for it; a load that goes on counts.
expect 3 "^acknowledged 2  refused 3$" run_late --archive-every 2

# The whole table.
expect 0 '^200 {"version":"1\.' "$client" delete --port "$port" /items
expect 1 "^acknowledged 20  recovered 0  lost 20$" run verify records acks

kill -TERM "$pid"; wait "$pid"
pid=
grep -q "closed: synced, released" "$work/log" || { cat "$work/log"; exit 1; }
expect 3 "no answer" run verify records acks
