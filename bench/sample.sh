#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Where the processor time of a row goes, by samples: for rows whose time is not in their
# instructions. See --help.
set -euo pipefail

usage() {
    cat <<END
usage: bench/sample.sh ROW STYLE [WORKERS]
       bench/sample.sh --markdown

The first prints how much processor time one operation of the row takes (bench/README.md has the
rows; STYLE is future, fiber, or floor; WORKERS is 1 or 2), which part of it is the kernel's, and
the functions that take most of it, each without what it calls. The second prints the table of
docs/performance.md: rows that bench/profile.sh cannot count.

By perf, 5000 samples a second of the whole process: also of its start, and of what it does with its
figures when the clock has stopped (sleep1m sorts a million of them). The kernel has to allow that,
as it does root. The package of perf is linux-perf.

ROUSE_BUILD_DIR: the build to use (default build). Status 77: nothing can be sampled here, and why.
END
}

case ${1:-} in
--help | -h) usage && exit 0 ;;
--markdown) (($# == 1)) || { usage >&2 && exit 2; } ;;
-*) usage >&2 && exit 2 ;;
*) (($# == 2 || $# == 3)) || { usage >&2 && exit 2; } ;;
esac

source "$(dirname "$0")/callgrind.bash"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! perf record -q -e cpu-clock -o "$scratch/probe" true >/dev/null 2>&1; then
    echo "SKIP: perf is missing, or not allowed to sample"
    exit 77
fi

samples_per_s=5000

# take ROW STYLE WORKERS: one run; in $scratch/times what each function takes for an operation,
# "NANOSECONDS KIND NAME", most first. KIND is [k] in the kernel.
take() {
    local program operations arguments=("$1")

    if ! program=$(callgrind_program "$1" "$2"); then
        echo "sample.sh: there is no row $1 in style $2, or it is not built" >&2
        exit 2
    fi
    [[ $2 == floor ]] || arguments+=(--style "$2" --workers "$3")
    perf record -q -e cpu-clock -F $samples_per_s -o "$scratch/samples" \
        "$program" "${arguments[@]}" >"$scratch/printed" 2>"$scratch/said" ||
        { cat "$scratch/said" >&2 && exit 1; }
    operations=$(sed -n 's/.*"n":\([0-9]*\).*/\1/p' "$scratch/printed" | head -n 1)
    perf report -q -i "$scratch/samples" --no-children --sort sym -F sample,sym --stdio \
        2>/dev/null | awk -v each=$((1000000000 / samples_per_s)) -v operations="$operations" '
        # A function that the compiler has cloned or split is one, as is one of several versions.
        NF >= 3 { sub(/[.@].*/, "", $3); samples[$2 " " $3] += $1 }
        END { for (name in samples) print samples[name] * each / operations, name }' |
        sort -rn >"$scratch/times"
}

if [[ $1 != --markdown ]]; then
    take "$1" "$2" "${3:-1}"
    awk '
        { whole += $1 }
        $2 == "[k]" { kernel += $1 }
        NR <= 25 { line[NR] = sprintf("%-40s %10.1f %s", $3, $1, $2) }
        END {
            printf "%-40s %10s\n", "ns of processor time", "operation"
            printf "%-40s %10.1f\n%-40s %10.1f\n", "all", whole, "in the kernel", kernel
            for (i = 1; i in line; i++) print line[i]
        }' "$scratch/times"
    exit
fi

echo '| row | style | workers | ns of processor time | in the kernel |' \
    'most of it, each function by itself |'
echo '|---|---|---|---|---|---|'
for row in "sleep1m future 1" "sleep1m future 2" "sleep1m fiber 1" "memory future 1" \
    "wake future 1" "wake floor 1" "blocking future 1"; do
    read -r name style workers <<<"$row"
    take "$name" "$style" "$workers"
    awk -v name="$name" -v style="$style" -v workers="$workers" '
        { whole += $1 }
        $2 == "[k]" { kernel += $1 }
        NR <= 8 { most = most sprintf("%s`%s` %.0f", NR > 1 ? ", " : "", $3, $1) }
        END {
            printf "| `%s` | %s | %s | %.0f | %.0f | %s |\n", name, style, workers, whole, kernel,
                most
        }' "$scratch/times"
done
