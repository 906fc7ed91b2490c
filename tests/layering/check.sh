#!/usr/bin/env bash
# check.sh ROOT: fails, naming file and line, where the sources under ROOT break the layers:
#
#   cli -> store -> { archive, snapshot } -> engine -> { wal, volume, objectstore } -> base
#
# A file includes its own part, parts on lower levels and the public headers; never a sibling, a part
# above, or a test. RocksDB's headers stand in wal and engine only, and nothing public names RocksDB.
set -euo pipefail
cd "${1:?usage: check.sh ROOT}"

declare -A level=([base]=0 [wal]=1 [volume]=1 [objectstore]=1 [engine]=2 [archive]=3 [snapshot]=3 [store]=4 [cli]=5)
broken=0

complain() {  # complain FILE:LINE:TEXT RULE
  echo "${1%%:*}:$(cut -d: -f2 <<<"$1"): $2"
  broken=1
}

# Every #include of ROOT/$1 as FILE:LINE:TARGET.
includes_of() {
  grep -rnE '^[[:space:]]*#[[:space:]]*include' --include='*.h' --include='*.cc' "$1" |
    sed -E 's/^([^:]*:[0-9]+:)[^"<]*["<]([^">]*).*/\1\2/' || true
}

check_source() {  # check_source FILE:LINE:TARGET
  local target=${1##*:} part other
  part=${1#src/}
  part=${part%%/*}
  case $target in
    rocksdb/*)
      [[ $part == wal || $part == engine ]] || complain "$1" "RocksDB is for wal and engine only"
      ;;
    src/*)
      other=${target#src/}
      other=${other%%/*}
      if [ -z "${level[$other]:-}" ]; then
        complain "$1" "\"$other\" is not a part this test knows; give it a level"
      elif [ "$other" != "$part" ] && [ "${level[$other]}" -ge "${level[$part]}" ]; then
        complain "$1" "$part must not include $other: includes point downwards only"
      fi
      ;;
    tests/* | bench/* | examples/*) complain "$1" "the library includes none of its tests" ;;
    ./* | ../*) complain "$1" "includes are written from the root" ;;
  esac
}

for directory in src/*/; do
  part=$(basename "$directory")
  if [ -z "${level[$part]:-}" ]; then
    complain "src/$part:1:" "\"$part\" is not a part this test knows; give it a level"
    unset "level[$part]"
    continue
  fi
  while IFS= read -r include; do
    [ -z "$include" ] || check_source "$include"
  done < <(includes_of "src/$part")
done

while IFS= read -r include; do
  case ${include##*:} in
    src/* | tests/* | ./* | ../*) complain "$include" "a public header includes public headers only" ;;
  esac
done < <(includes_of include)

while IFS= read -r mention; do
  complain "$mention" "no public header names RocksDB: the engine is a seam"
done < <(grep -rniE 'rocksdb' include || true)

exit $broken
