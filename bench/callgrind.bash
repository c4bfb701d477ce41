# SPDX-License-Identifier: MIT
#
# For scripts of this folder: the instructions of a row, counted by callgrind. One worker, so that
# no other thread takes part; two runs of different length, so that the start cancels out.
export LC_ALL=C ROUSE_STALL_MS=0

callgrind_bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
callgrind_build=${ROUSE_BUILD_DIR:-${callgrind_bench%/*}/build}

# Operations of the shorter and of the longer run: multiples of what the tasks of each row share.
callgrind_few=20000 callgrind_many=60000

# What a program of rouse gets as well.
callgrind_arguments=()

callgrind_options=(--tool=callgrind --dump-instr=yes --collect-systime=yes --compress-strings=no
    --compress-pos=no)

# Status 77 and the reason, where nothing can be counted.
callgrind_need() {
    local name

    for name in valgrind objdump; do
        command -v "$name" >/dev/null && continue
        echo "SKIP: there is no $name"
        exit 77
    done
    if [[ ! -x $callgrind_build/bin/bench_sched ]]; then
        echo "SKIP: the benchmarks are not built in $callgrind_build"
        exit 77
    fi
    if ! "$callgrind_build/bin/bench_sched" --list >/dev/null 2>&1 ||
        grep -qaE '__(asan|tsan)_init' "$callgrind_build/bin/bench_sched"; then
        echo "SKIP: $callgrind_build has programs for sanitizers, or for another machine"
        exit 77
    fi
}

# callgrind_program ROW STYLE: the program that has the row; STYLE "floor" means the floor's. Only
# what includes bench.h or parts.h has rows.
callgrind_program() {
    local source program

    for source in "$callgrind_bench"/*.c; do
        grep -qE '^#include "(bench|parts)\.h"' "$source" || continue
        program=$callgrind_build/bin/bench_$(basename "$source" .c)
        [[ -x $program ]] || continue
        case $source in
        */floor_fiber.c) continue ;;
        */floor.c) [[ $2 == floor ]] || continue ;;
        *) [[ $2 != floor ]] || continue ;;
        esac
        if grep -qx -- "$1" < <("$program" --list); then
            echo "$program"
            return
        fi
    done
    return 1
}

# callgrind_run PROGRAM ROW STYLE COUNT FILE: one run, its profile in FILE. Status 3: the program
# has no such row in that style.
callgrind_run() {
    local arguments=("$1" "$2" --n "$4") status=0

    if [[ $3 != floor ]]; then arguments+=(--style "$3" "${callgrind_arguments[@]}"); fi
    timeout 120 valgrind "${callgrind_options[@]}" --log-file="$5.log" \
        --callgrind-out-file="$5" "${arguments[@]}" >/dev/null 2>"$5.out" || status=$?
    if ((status != 0 && status != 3)); then cat "$5.log" "$5.out" >&2; fi
    return "$status"
}

# callgrind_row ROW STYLE FOLDER: prints the lines of callgrind.awk. Status 3: there is no such row
# in that style.
callgrind_row() {
    local program out=$3/$1.$2 status=0

    program=$(callgrind_program "$1" "$2") || return 3
    callgrind_run "$program" "$1" "$2" "$callgrind_few" "$out.few" || return
    callgrind_run "$program" "$1" "$2" "$callgrind_many" "$out.many" || return
    objdump -d --no-show-raw-insn "$program" |
        awk -v operations=$((callgrind_many - callgrind_few)) -v program="${program##*/}" \
            -f "$callgrind_bench/callgrind.awk" - "$out.few" "$out.many" || status=$?
    rm -rf "$out".*
    return "$status"
}
