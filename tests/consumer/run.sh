#!/usr/bin/env bash
# Proves the package: installs Mooring into temporary prefixes, static and shared, builds the
# project beside this script against each, with CMake and with pkg-config, and runs it.
#
#   tests/consumer/run.sh [BUILD_DIR]   BUILD_DIR: a finished static build; default build/release
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
build_dir=$(cd "${1:-$source_dir/build/release}" && pwd)
compiler=${CXX:-c++}

work=$(mktemp -d "${TEST_TMPDIR:-/var/tmp}/mooring-consumer-XXXXXX")
trap 'rm -rf "$work"' EXIT

# quietly COMMAND...: its output is shown only where it fails.
quietly() {
  if ! "$@" >"$work/output" 2>&1; then
    cat "$work/output" >&2
    echo "consumer: failed: $*" >&2
    exit 1
  fi
}

run() {  # run PROGRAM DIRECTORY
  mkdir -p "$2"
  timeout 120 "$1" "$2"
}

# use_component_s3 FORM PROGRAM: the component was found, and works from pkg-config too.
use_component_s3() {
  local pc_path flags
  pc_path=$(dirname "$(find "$work/$1" -name mooring.pc)")
  [ -e "$pc_path/mooring-s3.pc" ] || return 0
  quietly timeout 120 "$2"
  flags=$(PKG_CONFIG_PATH=$pc_path pkg-config --cflags --libs mooring-s3)
  # shellcheck disable=SC2086  # The flags are words.
  quietly "$compiler" -std=c++17 "$here/s3.cc" -o "$work/$1-s3-pc" $flags
  quietly env LD_LIBRARY_PATH="$(dirname "$pc_path")" timeout 120 "$work/$1-s3-pc"
}

use_with_cmake() {  # use_with_cmake FORM
  quietly cmake -S "$here" -B "$work/$1-cmake" -G Ninja -DCMAKE_PREFIX_PATH="$work/$1" \
    -DCMAKE_BUILD_TYPE=Release
  quietly cmake --build "$work/$1-cmake"
  echo -n "$1, find_package: "
  run "$work/$1-cmake/consumer" "$work/$1-cmake-store"
  use_component_s3 "$1" "$work/$1-cmake/consumer_s3"
  use_component_cli "$1"
}

# use_component_cli FORM: the installed command reads what the consumer wrote.
use_component_cli() {
  [ -e "$work/$1-cmake/command" ] || return 0
  local command got
  command=$(cat "$work/$1-cmake/command")
  got=$(timeout 120 "$command" get --volume "$work/$1-cmake-store" consumer key)
  [ "$got" = value ] || { echo "consumer: mooring get printed: $got" >&2; exit 1; }
  bash -n "$work/$1/share/bash-completion/completions/mooring"
}

use_with_pkg_config() {  # use_with_pkg_config FORM [--static]
  local form=$1 flags
  shift
  local pc_path
  pc_path=$(dirname "$(find "$work/$form" -name mooring.pc)")
  flags=$(PKG_CONFIG_PATH=$pc_path pkg-config --cflags --libs "$@" mooring)
  # shellcheck disable=SC2086  # The flags are words.
  quietly "$compiler" -std=c++17 "$here/main.cc" -o "$work/$form-pc" $flags
  echo -n "$form, pkg-config${*:+ $*}: "
  LD_LIBRARY_PATH=$(dirname "$pc_path") run "$work/$form-pc" "$work/$form-pc-store"
  rm -rf "$work/$form-pc-store"
}

quietly cmake --install "$build_dir" --prefix "$work/static-built"
# The package must not remember where it was installed first.
mv "$work/static-built" "$work/static"
use_with_cmake static
use_with_pkg_config static
use_with_pkg_config static --static

# Kept in the build tree, so that only the first run builds all of it.
shared_build=$build_dir/consumer-shared
quietly cmake -S "$source_dir" -B "$shared_build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
  -DBUILD_SHARED_LIBS=ON -DMOORING_BUILD_TESTS=OFF -DMOORING_BUILD_EXAMPLES=OFF \
  -DMOORING_BUILD_BENCHMARKS=OFF
quietly cmake --build "$shared_build" --parallel 2
quietly cmake --install "$shared_build" --prefix "$work/shared"
use_with_cmake shared
use_with_pkg_config shared
use_with_pkg_config shared --static
echo "consumer: the installed package works"
