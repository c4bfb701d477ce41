#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A long run of the fuzzers of a build, which share the minutes:
#
#     tests/fuzz/fuzz.sh MINUTES [JOBS]
#
# ROUSE_BUILD_DIR is the build (preset "fuzz"). Each fuzzer begins with what is kept in
# tests/fuzz/corpus and what earlier runs have found, and uses JOBS processes. New inputs go to the
# build folder, and so does an input that fails: nothing is added to the source tree.
set -euo pipefail

minutes=${1:?minutes}
jobs=${2:-2}
tests=${ROUSE_BUILD_DIR:?the folder of a build}/tests
kept=$(cd "$(dirname "$0")" && pwd)/corpus

names=()
for program in "$tests"/fuzz_*; do
    if [[ -x $program ]]; then names+=("${program##*/fuzz_}"); fi
done
((${#names[@]} > 0)) || { echo "there are no fuzzers in $tests" >&2; exit 2; }
seconds=$(awk -v m="$minutes" -v n="${#names[@]}" 'BEGIN { printf "%d", m * 60 / n }')
((seconds > 0)) || { echo "$minutes minutes are too few for ${#names[@]} fuzzers" >&2; exit 2; }

count() {
    find "$@" -type f | wc -l
}

status=0
for name in "${names[@]}"; do
    found=$tests/corpus/$name
    mkdir -p "$found"
    echo "== $name: $seconds s with $jobs processes, $(count "$kept/$name") inputs kept," \
        "$(count "$found") found earlier"
    # The end says how far it came, or what failed and where the input lies.
    lines=1
    "$tests/fuzz_$name" -fork="$jobs" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 \
        -artifact_prefix="$found-" "$found" "$kept/$name" >"$found.log" 2>&1 ||
        { status=1; lines=40; echo "FAILED: $name, see $found.log"; }
    tail -n "$lines" "$found.log" | sed 's/^/   /'
    echo "   $(count "$found") new inputs lie in $found; to keep those that reach more:"
    echo "   $tests/fuzz_$name -merge=1 -use_counters=0 $kept/$name $found"
done
exit $status
