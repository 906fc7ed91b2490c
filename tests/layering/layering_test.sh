#!/usr/bin/env bash
# The layers hold in this repository; and check.sh, let loose on trees that break one rule each,
# finds each of them. A check that cannot fail proves nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# A small tree that holds to the rules, for the cases to break.
plant() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree"/{include/mooring,src/{base,wal,volume,engine,store}}
  cd "$work/tree"
  echo '#include "mooring/version.h"' >include/mooring/store.h
  echo '#include "absl/status/status.h"' >src/base/file.h
  printf '#include "src/wal/log.h"\n#include <rocksdb/env.h>\n#include "src/base/file.h"\n' \
    >src/wal/log.cc
  printf '#include "src/base/file.h"\n#include "mooring/options.h"\n' >src/volume/lock.cc
  printf '#include "src/wal/log.h"\n#include "rocksdb/db.h"\n' >src/engine/engine.cc
  printf '#include "src/engine/engine.h"\n#include "src/volume/lock.h"\n' >src/store/store.cc
}

# breaks NAME FILE LINE: FILE with LINE added must be refused by that file's name.
breaks() {
  plant
  mkdir -p "$(dirname "$2")"
  echo "$3" >>"$2"
  local output
  if output=$("$here/check.sh" "$work/tree") || ! grep -qF "$2" <<<"$output"; then
    echo "not found: $1: $3 in $2; the check said: ${output:-nothing}"
    failures=1
  fi
}

plant
"$here/check.sh" "$work/tree" || { echo "a tree without fault is refused"; failures=1; }
breaks "upwards" src/base/file.cc '#include "src/wal/log.h"'
breaks "two levels upwards" src/volume/mount.cc '#include "src/store/store.h"'
breaks "a sibling" src/wal/writer.cc '#include "src/volume/lock.h"'
breaks "a sibling, spaced" src/volume/lock.h '  #  include <src/wal/log.h>'
breaks "a sibling above the engine" src/archive/shipper.cc '#include "src/snapshot/writer.h"'
breaks "its sibling" src/snapshot/exporter.cc '#include "src/archive/history.h"'
breaks "the command" src/store/open.cc '#include "src/cli/output.h"'
breaks "RocksDB in the command" src/cli/main.cc '#include "rocksdb/db.h"'
breaks "RocksDB in store" src/store/open.cc '#include "rocksdb/db.h"'
breaks "RocksDB in volume" src/volume/lock.cc '#include <rocksdb/env.h>'
breaks "RocksDB in a public header" include/mooring/table.h '// As in RocksDB.'
breaks "an internal header in a public one" include/mooring/table.h '#include "src/store/core.h"'
breaks "a test" src/engine/engine.cc '#include "tests/testing/temp_directory.h"'
breaks "a relative path" src/store/store.cc '#include "../engine/engine.h"'
breaks "an unknown part" src/store/store.cc '#include "src/magic/wand.h"'

plant
mkdir src/magic && echo '#include "src/base/file.h"' >src/magic/wand.cc
! "$here/check.sh" "$work/tree" >/dev/null || { echo "a part without level passes"; failures=1; }

"$here/check.sh" "$root" || { echo "the layers of this repository are broken"; failures=1; }
exit $failures
