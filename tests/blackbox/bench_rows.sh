#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each row of each program in bench/ that has rows (it includes bench.h or parts.h), run for a moment
# in both styles on one and two workers: it ends, checks its own result and prints a line that
# compare.sh can read. And what bench.h does with arguments. Prints TAP. It is not about speed.
set -uo pipefail
export LC_ALL=C

tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
scratch=$(mktemp -d)
points=0
failures=0
prefix=()
if setarch -R true 2>/dev/null; then prefix=(setarch -R); fi
trap 'rm -rf "$scratch"' EXIT

# claim TEXT COMMAND...: one test point; the command's output is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

exits_with() {
    local expected=$1 status=0

    shift
    "$@" || status=$?
    [[ $status -eq $expected ]] || { echo "status $status" && false; }
}

# one_row PROGRAM ROW STYLE WORKERS: status 3 says that there is no such row in this style.
one_row() {
    local line status=0 number='[0-9]+(\.[0-9]+)?' pattern

    line=$("${prefix[@]}" timeout 60 "$1" "$2" --style "$3" --workers "$4" --n 6400) || status=$?
    ((status == 3)) && return
    pattern="^\{\"bench\":\"$2\",\"impl\":\"rouse\",\"style\":\"$3\",\"workers\":$4,\"n\":[0-9]+,"
    pattern+="\"ns_per_op\":$number,\"cpu_ns_per_op\":$number,\"rss_kib\":[0-9]+\}\$"
    [[ $status -eq 0 && $line =~ $pattern ]] || { echo "status $status: $line" && false; }
}

all_rows() {
    local program=$1 row style workers

    for row in $("$program" --list); do
        for style in future fiber; do
            for workers in 1 2; do
                one_row "$program" "$row" "$style" "$workers" ||
                    { echo "$row, $style, $workers" && return 1; }
            done
        done
    done
}

for source in $(grep -lE '^#include "(bench|parts)\.h"' "$tree"/bench/*.c); do
    program=$build/bin/bench_$(basename "$source" .c)
    if [[ -x $program && $program != */bench_bench ]]; then
        claim "${program##*/}: each row ends and prints its result" all_rows "$program"
        last=$program
    fi
done
if [[ -z ${last:-} ]]; then
    echo "1..0 # SKIP no benchmark was built"
    exit 77
fi
row=$("$last" --list | head -n 1)
claim 'a row that is not there is a usage error' exits_with 2 "$last" no_such_row
claim 'no row is a usage error' exits_with 2 "$last"
claim 'a number of operations below 1 is a usage error' exits_with 2 "$last" "$row" --n 0
claim 'a number with a sign is a usage error' exits_with 2 "$last" "$row" --n -4
claim 'a number with a tail is a usage error' exits_with 2 "$last" "$row" --workers 2x
if [[ -x $build/bin/bench_sched ]]; then
    claim 'fewer operations than tasks are a usage error' \
        exits_with 2 "$build/bin/bench_sched" yield1000 --n 999
fi
claim 'a style that is not there is a usage error' exits_with 2 "$last" "$row" --style thread
claim '--help says how to use it' exits_with 0 "$last" --help

echo "1..$points"
exit $((failures > 0))
