#!/usr/bin/env bash
# The fault suites at the counts of a long run: tests/soak.sh [rows N...]. Needs a release build, and for rows 3, 6, 7
# and 19 root. Goes on after a failure, and ends with what failed; seeds stand in the output. Days in all: counts are
# divided by MOORING_SOAK_DIVISOR.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../build/release/tests" || exit 1
divisor=${MOORING_SOAK_DIVISOR:-1}
[ "${1:-}" != rows ] || shift
wanted=" $* "
failed=()

soak() {  # soak ROW COUNT REPEAT PROGRAM FILTER
  [ "$wanted" = "  " ] || [[ $wanted == *" $1 "* ]] || return 0
  local count=$(($2 / divisor > 0 ? $2 / divisor : 1))
  local repeat=$(($3 / divisor > 0 ? $3 / divisor : 1))
  echo "=== row $1: $4 $5, $count trials, $repeat times"
  # In portions: a test ends itself when it takes too long.
  while [ "$count" -gt 0 ]; do
    local portion=$((count < PORTION ? count : PORTION))
    MOORING_TRIALS=$portion "./$4" --gtest_filter="$5" --gtest_repeat="$repeat" || failed+=("row $1: $4 $5")
    count=$((count - portion))
  done
}

PORTION=1000 soak 1 20000 1 simulation/kill_test '*AtAnyMoment*'
PORTION=500 soak 2 2000 1 simulation/kill_test '*DuringOpen*'
PORTION=300 soak 3 1500 1 simulation/power_cut_image_test '*AnyImage*'
PORTION=1 soak 3 1 300 simulation/power_cut_image_test '*Shutdown*'
PORTION=1 soak 4 1 100 wal/wal_power_cut_test 'PowerCutTest.*'
PORTION=2000 soak 4 200000 1 simulation/engine_power_cut_test '*LoseNothing*'
PORTION=400 soak 5 4000 1 simulation/engine_fault_test '*'
PORTION=100 soak 6 300 1 simulation/sync_failure_test '*'
PORTION=1 soak 7 1 30 simulation/full_volume_test '*'
PORTION=1 soak 8 1 20 simulation/stall_test '*'
PORTION=500 soak 10 50000 1 simulation/rot_test '*AnyRegion*'
PORTION=1 soak 11 1 100 simulation/rot_test '*MissingSwappedOrOld*'
PORTION=500 soak 10 20000 1 simulation/heal_sweep_test '*FlippedByteOnTheVolume*'
PORTION=1 soak 11 1 100 simulation/heal_sweep_test '*CutOrDeleted*'
PORTION=500 soak 15 5000 1 simulation/heal_sweep_test '*FlippedByteInTheArchive*'
PORTION=200 soak 2 2000 1 simulation/archive_owners_test '*RestoresAndClaims*'
PORTION=200 soak 12 1000 1 simulation/archive_owners_test '*VolumeLost*:*AnotherStores*'
PORTION=200 soak 13 1000 1 simulation/archive_owners_test '*RolledBack*:*Cloned*'
PORTION=200 soak 14 2000 1 simulation/archive_faults_test '*'
MOORING_COLLECTION_SECONDS=$((600 / divisor + 1)) PORTION=1 soak 15 1 1 store/collection_store_test '*BesideZombies*'
MOORING_COLLECTION_SECONDS=$((600 / divisor + 1)) PORTION=1 soak 15 1 1 simulation/collection_rounds_test '*BesideZombies*'
PORTION=200 soak 16 2500 1 simulation/archive_owners_test 'ArchiveOwnersTest.*Zombie*'
PORTION=200 soak 17 5000 1 simulation/archive_owners_test 'ArchiveOwnersTest.*RacingOwners*'
# Skipped without MOORING_RGW_DIR; see servers/rgw.sh.
PORTION=100 soak 14 500 1 simulation/archive_rgw_test '*BadNetwork*'
PORTION=100 soak 16 100 1 simulation/archive_rgw_test '*Zombie*'
PORTION=100 soak 17 200 1 simulation/archive_rgw_test '*RacingOwners*'
PORTION=500 soak 18 2000 1 simulation/environment_test 'ClockTest.*'
PORTION=200 soak 19 1000 1 simulation/environment_test 'MemoryTest.*'
PORTION=500 soak 20 1000 1 simulation/kill_test '*Terminated*'
PORTION=500 soak 21 2000 1 simulation/snapshot_rounds_test '*ExactlyOneCommit*'
PORTION=200 soak 21 1000 1 simulation/snapshot_rounds_test '*ExportThatIsKilled*'
PORTION=500 soak 21 2000 1 simulation/snapshot_rounds_test '*ImportThatIsKilled*'

if [ ${#failed[@]} -eq 0 ]; then
  echo "nothing failed"
else
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
