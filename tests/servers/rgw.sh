#!/usr/bin/env bash
# A real S3 gateway (Ceph RGW) on loopback, for tests and the demo. Every wait is bounded.
#
#   rgw.sh check                     says why there can be none here, and fails; silent where it can
#   rgw.sh start DIR [OSDS [STORE]]  OSDS storage daemons (default 1) that keep as many copies, each in
#                                    STORE: memstore (default; gone when killed) or bluestore
#   rgw.sh kill DIR NAME             SIGKILL to client.rgw, osd.0, osd.1, ... or mon.a
#   rgw.sh revive DIR NAME           starts that one again
#   rgw.sh freeze DIR NAME           SIGSTOP to it
#   rgw.sh thaw DIR NAME             SIGCONT to it
#   rgw.sh session DIR SECONDS       prints credentials that expire, as in DIR/env, for a second
#                                    gateway that takes such, and starts it where it does not run
#   rgw.sh stop DIR                  kills all that was started in DIR, and removes DIR
#
# After `start` DIR/env holds, as NAME=value lines: MOORING_RGW_ENDPOINT; MOORING_RGW_TLS_ENDPOINT, of
# the same gateway, with MOORING_RGW_CA, the file of the authority that signed for it;
# MOORING_RGW_BUCKET (made), which can be addressed by path and, below localhost, by host name;
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Where the gateway is not installed `start` says so and
# succeeds without that file; with MOORING_REQUIRE_SERVERS=1 it fails.
set -euo pipefail

say() { echo "rgw: $*" >&2; }

check() {
  local tool missing=()
  for tool in radosgw radosgw-admin ceph ceph-mon ceph-osd monmaptool curl openssl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "no gateway here: ${missing[*]} not installed; cmake/install-deps.sh --servers does it"
  return 1
}

# within SECONDS COMMAND...: tries again until it succeeds or the time is over.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then return 1; fi
    sleep 0.1
  done
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

answers_tls() {
  curl --silent --noproxy '*' --max-time 20 --cacert "$dir/tls/ca.pem" "https://localhost:$1/"
}

# Below the range that the kernel gives to outgoing connections.
free_port() {
  local port
  for _ in $(seq 200); do
    port=$((RANDOM % 12000 + 20000))
    if ! answers $port; then echo $port; return 0; fi
  done
  return 1
}

write_config() {  # write_config OSDS STORE MON_PORT RGW_PORT TLS_PORT STS_PORT
  local least=1
  [ "$1" -le 1 ] || least=$(($1 - 1))
  cat >"$dir/ceph.conf" <<CONFIG
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$3]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
admin socket =
pid file = $dir/run/\$name.pid
log file = $dir/log/\$name.log
crash dir = $dir/log
osd pool default size = $1
osd pool default min size = $least
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon osd down out interval = 0
mon osd min down reporters = 1
osd heartbeat interval = 1
osd heartbeat grace = 4
[mon]
mon data = $dir/mon
mon cluster log file = $dir/log/cluster.log
paxos propose interval = 0.05
paxos min wait = 0.01
[osd]
osd data = $dir/osd/\$id
osd objectstore = $2
memstore device bytes = 2147483648
bluestore block create = true
bluestore block size = 10737418240
bluestore cache autotune = false
bluestore cache size = 67108864
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$4 ssl_endpoint=127.0.0.1:$5 ssl_certificate=tls/server.pem ssl_private_key=tls/server.key tcp_nodelay=1
rgw dns name = localhost
rgw data = $dir/run
rgw rados pool pg num min = 8
rgw run sync thread = false
rgw thread pool size = 64
[client.sts]
rgw frontends = beast endpoint=127.0.0.1:$6 tcp_nodelay=1
rgw data = $dir/run
rgw rados pool pg num min = 8
rgw run sync thread = false
rgw s3 auth use sts = true
rgw sts key = mooring-sts-test
rgw sts min session duration = 1
CONFIG
}

make_authority() {  # make_authority NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -subj "/CN=mooring test $1" -addext "basicConstraints=critical,CA:TRUE" \
    -keyout "$1.key" -out "$1.pem"
}

# An authority of its own, what it signs for the gateway, and a stranger that signed nothing.
make_certificates() {
  mkdir -p "$dir/tls"
  (
    cd "$dir/tls"
    make_authority ca && make_authority stranger || exit 1
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" \
      -keyout server.key -out server.csr || exit 1
    printf 'subjectAltName=DNS:localhost,DNS:mooring.localhost,IP:127.0.0.1\n' >server.ext
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
      -extfile server.ext -out server.pem
  )
}

run_ceph() { timeout 60 ceph -c "$dir/ceph.conf" "$@"; }
osds_up() { run_ceph osd stat -f json | grep -q "\"num_up_osds\":$1,"; }

# revive NAME: each daemon goes to the background by itself, with its pid in run/.
revive() {
  local kind=${1%%.*} id=${1#*.}
  case $kind in
    mon) timeout 60 ceph-mon -c "$dir/ceph.conf" -i "$id" ;;
    osd) timeout 60 ceph-osd -c "$dir/ceph.conf" -i "$id" ;;
    # Paths of the front end cannot hold blanks: they are given from DIR on.
    client) (cd "$dir" && timeout 60 radosgw -c "$dir/ceph.conf" -n "$1") ;;
  esac >>"$dir/log/start.log" 2>&1 </dev/null
}

make_osd() {  # make_osd ID UUID
  mkdir -p "$dir/osd/$1"
  timeout 120 ceph-osd -c "$dir/ceph.conf" -i "$1" --mkfs --osd-uuid "$2"
  revive "osd.$1"
}

make_cluster() {  # make_cluster OSDS MON_PORT
  local fsid osd uuid
  fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
  monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$2]" "$dir/monmap"
  timeout 60 ceph-mon -c "$dir/ceph.conf" -i a --mkfs --monmap "$dir/monmap"
  revive mon.a
  for osd in $(seq 0 $(($1 - 1))); do
    uuid=$(cat /proc/sys/kernel/random/uuid)
    run_ceph osd new "$uuid"
    make_osd "$osd" "$uuid" &
  done
  wait
  within 60 osds_up "$1"
}

make_bucket() {
  local endpoint=$1 empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
  curl --silent --show-error --fail --noproxy '*' --max-time 20 --request PUT \
    --aws-sigv4 aws:amz:us-east-1:s3 --user mooring-test:mooring-test-secret \
    --header "x-amz-content-sha256: $empty" "$endpoint/mooring"
}

start_once() {  # start_once OSDS STORE
  local ports mon_port rgw_port tls_port sts_port
  mapfile -t ports < <(for _ in 1 2 3 4; do free_port; done | sort -u)
  [ ${#ports[@]} -eq 4 ] || return 1
  mon_port=${ports[0]} rgw_port=${ports[1]} tls_port=${ports[2]} sts_port=${ports[3]}
  mkdir -p "$dir"/{run,log,mon,osd}
  : >"$dir/.mooring-rgw"
  write_config "$1" "$2" "$mon_port" "$rgw_port" "$tls_port" "$sts_port"
  {
    make_certificates && make_cluster "$1" "$mon_port" && revive client.rgw && within 60 answers "$rgw_port" &&
      within 60 answers_tls "$tls_port" &&
      timeout 60 radosgw-admin -c "$dir/ceph.conf" user create --uid=mooring --display-name=mooring \
        --access-key=mooring-test --secret-key=mooring-test-secret &&
      within 60 make_bucket "http://127.0.0.1:$rgw_port"
  } >>"$dir/log/start.log" 2>&1 </dev/null || return 1
  cat >"$dir/env.tmp" <<ENV
MOORING_RGW_ENDPOINT=http://127.0.0.1:$rgw_port
MOORING_RGW_TLS_ENDPOINT=https://localhost:$tls_port
MOORING_RGW_CA=$dir/tls/ca.pem
MOORING_RGW_BUCKET=mooring
AWS_ACCESS_KEY_ID=mooring-test
AWS_SECRET_ACCESS_KEY=mooring-test-secret
ENV
  mv "$dir/env.tmp" "$dir/env"
}

start() {
  if ! check; then
    [ "${MOORING_REQUIRE_SERVERS:-0}" != 1 ] || return 1
    say "skipped: tests that need the gateway will say so"
    return 0
  fi
  local attempt
  for attempt in 1 2 3; do
    stop
    if start_once "$@"; then
      say "serves at $(sed -n 's/^MOORING_RGW_ENDPOINT=//p' "$dir/env")"
      return 0
    fi
    say "attempt $attempt failed; the end of its log:"
    tail -n 20 "$dir/log/start.log" >&2 || true
  done
  stop
  return 1
}

# The pid of daemon $1, where it lives and is ours.
pid_of() {
  local pid
  pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
  grep -qa -- "$dir/ceph.conf" "/proc/$pid/cmdline" 2>/dev/null || return 1
  echo "$pid"
}

gone() { ! pid_of "$1" >/dev/null; }

kill_daemon() {
  local pid
  if pid=$(pid_of "$1"); then kill -KILL "$pid" && within 30 gone "$1"; fi
  rm -f "$dir/run/$1.pid"
}

signal_daemon() {  # signal_daemon NAME SIGNAL
  local pid
  pid=$(pid_of "$1") || { say "$1 does not run in $dir"; return 1; }
  kill "-$2" "$pid"
}

# The text between <NAME> and </NAME> of the answer in $1.
element() { sed -n "s:.*<$2>\([^<]*\)</$2>.*:\1:p" <<<"$1"; }

# A role that may do all with every bucket, and the gateway that knows of roles.
prepare_sessions() {
  local trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/mooring"]},"Action":["sts:AssumeRole"]}]}'
  local allow='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}'
  local admin=(timeout 60 radosgw-admin -c "$dir/ceph.conf")
  "${admin[@]}" caps add --uid=mooring --caps="roles=*" &&
    { "${admin[@]}" role get --role-name=tester ||
      "${admin[@]}" role create --role-name=tester --assume-role-policy-doc="$trust"; } &&
    "${admin[@]}" role-policy put --role-name=tester --policy-name=all --policy-doc="$allow" &&
    revive client.sts && within 60 answers "$1"
}

session() {
  local port answer
  port=$(sed -n '/^\[client.sts\]/,$s/.*endpoint=127.0.0.1:\([0-9]*\).*/\1/p' "$dir/ceph.conf")
  (
    flock 9
    pid_of client.sts >/dev/null || prepare_sessions "$port" 9>&-
  ) 9>"$dir/sts.lock" >>"$dir/log/session.log" 2>&1 </dev/null || return 1
  answer=$(curl --silent --show-error --fail-with-body --noproxy '*' --max-time 20 \
    --aws-sigv4 aws:amz:us-east-1:sts --user mooring-test:mooring-test-secret \
    --data "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam:::role/tester&RoleSessionName=mooring&DurationSeconds=$1" \
    "http://127.0.0.1:$port/" 2>>"$dir/log/session.log") ||
    { say "no session: $answer"; return 1; }
  echo "MOORING_RGW_ENDPOINT=http://127.0.0.1:$port"
  echo "AWS_ACCESS_KEY_ID=$(element "$answer" AccessKeyId)"
  echo "AWS_SECRET_ACCESS_KEY=$(element "$answer" SecretAccessKey)"
  echo "AWS_SESSION_TOKEN=$(element "$answer" SessionToken)"
}

stop() {
  [ -e "$dir" ] || return 0
  if [ ! -e "$dir/.mooring-rgw" ]; then
    say "$dir is not a directory that this script made"
    return 1
  fi
  local file
  for file in "$dir"/run/client.*.pid "$dir"/run/osd.*.pid "$dir"/run/mon.*.pid; do
    [ ! -e "$file" ] || kill_daemon "$(basename "$file" .pid)"
  done
  rm -rf "$dir"
}

usage() {
  sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

command=${1:-}
[ "$command" = check ] || [ $# -ge 2 ] || usage
dir=$(realpath -m "${2:-.}")
case $command in
  check) check ;;
  start) start "${3:-1}" "${4:-memstore}" ;;
  kill) kill_daemon "${3:?name of a daemon}" ;;
  revive) revive "${3:?name of a daemon}" ;;
  freeze) signal_daemon "${3:?name of a daemon}" STOP ;;
  thaw) signal_daemon "${3:?name of a daemon}" CONT ;;
  session) session "${3:?seconds}" ;;
  stop) stop ;;
  *) usage ;;
esac
