#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Where the instructions of a row go, by callgrind: per operation, with one worker beside a thread
# that sleeps. See --help.
set -euo pipefail

usage() {
    cat <<END
usage: bench/profile.sh ROW STYLE [COUNT]
       bench/profile.sh --markdown [ROW...]

The first prints what one operation of the row takes (bench/README.md has the rows; STYLE is
future, fiber, or floor), and the COUNT functions (default 25) that take most of it, each without
what it calls. Read-modify-writes and indirect jumps (which calls through a pointer are) are those
of the program, not of the C library; a thread that is alone in its process has none of the former,
so another one sleeps beside it. Clock reads are no system calls but under valgrind; what they cost
is not in the instructions.

The second prints the table of docs/performance.md: each row beside its floor. Left out are rows in
which threads wait for each other or for the clock, or look at it to decide: wake, blocking,
sleep1m, mutex_held; and those about memory.

ROUSE_BUILD_DIR: the build to use (default build). Status 77: nothing can be counted here, and why.
END
}

source "$(dirname "$0")/callgrind.bash"

markdown=false
case ${1:-} in
--help | -h) usage && exit 0 ;;
--markdown) markdown=true && shift ;;
-*) usage >&2 && exit 2 ;;
*) (($# == 2 || $# == 3)) || { usage >&2 && exit 2; } ;;
esac
callgrind_need
callgrind_arguments=(--company)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! $markdown; then
    status=0
    callgrind_row "$1" "$2" "$scratch" >"$scratch/counted" || status=$?
    if ((status == 3)); then
        echo "profile.sh: there is no row $1 in style $2" >&2
        exit 2
    fi
    ((status == 0)) || exit "$status"
    head -n $((${3:-25} + 1)) "$scratch/counted" | awk '
        BEGIN {
            printf "%-34s %12s %7s %8s %7s %7s\n", "per operation", "instructions", "RMW",
                "indirect", "system", "clock"
        }
        { printf "%-34s %12.1f %7.2f %8.2f %7.3f %7.3f\n", $1, $2, $3, $4, $5, $6 }'
    exit
fi

rows=("$@")
if ((${#rows[@]} == 0)); then
    rows=(
        spawn_many spawn_join chained scope yield1000 pingpong pingpong_chan notify mpsc_b mpsc_u
        oneshot broadcast watch mutex rwlock semaphore select3 select3_wait timer_ic
        timer_bulk switch switch_many
    )
fi

# line ROW STYLE FLOOR: a line of the table. FLOOR: "INSTRUCTIONS READ-MODIFY-WRITES", or nothing.
print_line() {
    awk -v row="$1" -v style="$2" -v floor="$3" '
        # Without the sign of a zero that is a small difference.
        function tenths(value) { return sprintf("%.1f", value < 0.05 ? 0 : value) }
        function hundredths(value) { return sprintf("%.2f", value < 0.005 ? 0 : value) }
        NR == 1 {
            split(floor, f)
            printf "| `%s` | %s | %.0f | %s | %s | %s | %s | %s | %s | ", row, style, $2,
                (floor == "" ? "" : sprintf("%.0f", f[1])), tenths($3),
                (floor == "" ? "" : tenths(f[2])), tenths($4), hundredths($5), hundredths($6)
        }
        NR > 1 && NR <= 6 && $2 >= 0.5 { printf "%s`%s` %.0f", (NR > 2 ? ", " : ""), $1, $2 }
        END { print " |" }' "$scratch/counted"
}

echo '| row | style | instructions | floor | RMW | floor | indirect | system calls |' \
    'clock reads | most of it, each function by itself |'
echo '|---|---|---|---|---|---|---|---|---|---|'
for row in "${rows[@]}"; do
    floor=
    if callgrind_row "$row" floor "$scratch" >"$scratch/counted" 2>/dev/null; then
        floor=$(awk 'NR == 1 { print $2, $3 }' "$scratch/counted")
    fi
    for style in future fiber; do
        status=0
        callgrind_row "$row" "$style" "$scratch" >"$scratch/counted" || status=$?
        if ((status == 3)); then continue; fi
        ((status == 0)) || exit "$status"
        print_line "$row" "$style" "$floor"
    done
done
