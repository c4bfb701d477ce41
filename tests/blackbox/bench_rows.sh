#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each row of each program in bench/ that has rows (it includes bench.h or parts.h), run for a
# moment on one and two workers, in both styles where it has them: it ends, checks its own result
# and prints a line that compare.sh can read. And what bench.h does with arguments. Prints TAP. It
# is not about speed.
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
    local line status=0 n=6400 impl=rouse number='[0-9]+(\.[0-9]+)?' pattern options=()

    # There, an operation is mostly sleep.
    if [[ $2 == wake ]]; then n=20; fi
    if [[ $1 == */bench_floor* ]]; then impl=floor; fi
    if [[ $3 != - ]]; then options=(--style "$3"); fi
    line=$("${prefix[@]}" timeout 60 "$1" "$2" "${options[@]}" --workers "$4" --n "$n") || status=$?
    ((status == 3)) && return
    ran=$((ran + 1))
    pattern="^\{\"bench\":\"$2\",\"impl\":\"$impl\",\"style\":\"$3\",\"workers\":$4,\"n\":[0-9]+,"
    pattern+="\"ns_per_op\":$number,\"cpu_ns_per_op\":$number,\"rss_kib\":[0-9]+"
    pattern+="(,\"p99_ns\":[0-9]+)?(,\"bytes_per_op\":$number)?\}\$"
    [[ $status -eq 0 && $line =~ $pattern ]] || { echo "status $status: $line" && false; }
}

# Each row has to be there in one style at least; only the floors' switch of stacks is not for every
# machine, and not for sanitizers.
all_rows() {
    local program=$1 row style styles=- workers ran

    if "$program" --help | grep -q -e --style; then styles='future fiber'; fi
    for row in $("$program" --list); do
        ran=0
        for workers in 1 2; do
            for style in $styles; do
                one_row "$program" "$row" "$style" "$workers" 2>&1 ||
                    { echo "$row, $style, $workers" && return 1; }
            done
        done
        ((ran > 0)) || [[ $program == */bench_floor* ]] ||
            { echo "$row: does not run" && return 1; }
    done
}

for source in $(grep -lE '^#include "(bench|parts)\.h"' "$tree"/bench/*.c); do
    program=$build/bin/bench_$(basename "$source" .c)
    if [[ -x $program && $program != */bench_bench ]]; then
        claim "${program##*/}: each row ends and prints its result" all_rows "$program"
        if "$program" --help | grep -q -e --style; then last=$program; fi
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

# bench/sample.sh, with a perf that has taken six samples of two functions.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/perf" <<'END'
#!/bin/sh
if [ "$1" = report ]; then
    printf '     2  [k] in_the_kernel.isra.0\n'
    printf '     %s  [.] in_the_program%s\n' 3 '' 1 .lto_priv.0
else
    echo '{"bench":"row","n":100}'
fi
END
chmod +x "$scratch/perf"

sampled() {
    PATH=$scratch:$PATH ROUSE_BUILD_DIR=$build "$tree/bench/sample.sh" "$1" "$2" >"$scratch/said" &&
        grep -qE '^all +12000.0$' "$scratch/said" &&
        grep -qE '^in the kernel +4000.0$' "$scratch/said" &&
        grep -qE '^in_the_program +8000.0 \[\.\]$' "$scratch/said"
}

no_row_sampled() {
    PATH=$scratch:$PATH exits_with 2 "$tree/bench/sample.sh" no_such_row future
}

refused() {
    printf '#!/bin/sh\nexit 1\n' >"$scratch/perf"
    PATH=$scratch:$PATH exits_with 77 "$tree/bench/sample.sh" "$row" future
}

export ROUSE_BUILD_DIR=$build
claim 'sample.sh says what functions take of an operation' sampled "$row" future
claim 'sample.sh: a row that is not there is a usage error' no_row_sampled
claim 'sample.sh: where nothing can be sampled is status 77' refused
claim 'sample.sh: --help says how to use it' exits_with 0 "$tree/bench/sample.sh" --help

echo "1..$points"
exit $((failures > 0))
