#!/usr/bin/env bash
# Installs what is missing, builds the release preset and runs every test, the consumer of the
# installed package among them. Ends with CTest's summary.
#
#   tests/run.sh [CTEST_ARGUMENT...]     for example: tests/run.sh -R Layering
#
# MOORING_CMAKE_ARGUMENTS is added to CMake's arguments; MOORING_TEST_JOBS tests run at a time.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake/install-deps.sh
# shellcheck disable=SC2086  # The arguments are words.
cmake --preset release ${MOORING_CMAKE_ARGUMENTS:-}
cmake --build --preset release
# Most tests wait for the disk, so there are more of them than processors.
exec ctest --test-dir build/release --parallel "${MOORING_TEST_JOBS:-$(($(nproc) * 2))}" \
  --output-on-failure --no-tests=error --timeout 900 "$@"
