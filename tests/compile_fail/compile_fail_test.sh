#!/usr/bin/env bash
# compile_fail_test.sh FILE EXPECTED [MISUSE] -- COMPILER [ARGUMENT...]
#
# Without MISUSE, FILE must compile. With it, it must not, and an error must match EXPECTED, so that
# a misspelt case does not pass for a refused one.
set -uo pipefail
file=$1 expected=$2 misuse=
shift 2
if [ "$1" != -- ]; then misuse=$1; shift; fi
shift
output=$("$@" ${misuse:+-D"$misuse"} -fsyntax-only "$file" 2>&1)
code=$?
if [ -z "$misuse" ]; then
  [ $code -eq 0 ] && exit 0
  echo "the control must compile, but: $output"
elif [ $code -eq 0 ]; then
  echo "$misuse compiles"
elif grep -qE "error: .*($expected)" <<<"$output"; then
  exit 0
else
  echo "$misuse is refused, but not for \"$expected\": $output"
fi
exit 1
