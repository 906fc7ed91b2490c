#!/usr/bin/env bash
# Installs with apt what this machine (Debian 12 or later, or Ubuntu) lacks, and nothing else.
#
#   cmake/install-deps.sh [--demo] [--bench] [--servers] [--ci]
#
#   (none)     what building the library, its tests, examples and benchmarks needs
#   --demo     also what examples/reschedule/run.sh uses to make and mount a volume
#   --bench    also the databases that the benchmarks compare with, and what plots
#   --servers  also the S3 gateway that tests and the demo can run against
#   --ci       all of these, and what .ci/run uses besides
#
# Needs root or sudo only where something is missing.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config librocksdb-dev libabsl-dev libprotobuf-dev
          protobuf-compiler libzstd-dev libcurl4-openssl-dev libssl-dev libpugixml-dev libgtest-dev
          libgmock-dev libbenchmark-dev libcpp-httplib-dev libcli11-dev nlohmann-json3-dev)
demo=(e2fsprogs mount util-linux)
bench=(libleveldb-dev liblmdb-dev libsqlite3-dev libwiredtiger-dev jq gnuplot-nox)
servers=(radosgw ceph-mon ceph-osd ceph-common curl openssl)
ci=(clang clang-format ccache xfsprogs)

for argument in "$@"; do
  case $argument in
    --demo) packages+=("${demo[@]}") ;;
    --bench) packages+=("${bench[@]}") ;;
    --servers) packages+=("${servers[@]}") ;;
    --ci) packages+=("${demo[@]}" "${bench[@]}" "${servers[@]}" "${ci[@]}") ;;
    *) echo "usage: $0 [--demo] [--bench] [--servers] [--ci]" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install-deps: this is not Debian or Ubuntu. Install what matches: ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1 || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: nothing is missing"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: missing: ${missing[*]}" >&2
    echo "install-deps: there is no sudo here; run this as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Mirrors fail now and then, above all on a machine that was just started.
retry() {
  local attempt
  for attempt in 1 2 3; do
    if "$@"; then return 0; fi
    echo "install-deps: attempt $attempt failed: $*" >&2
    sleep $((attempt * 3))
  done
  return 1
}

apt_get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
         -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
echo "install-deps: installing ${missing[*]}"
retry "${apt_get[@]}" update
retry "${apt_get[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
