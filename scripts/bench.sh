#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the benchmarks that stand on their own, and compares those that have rows: rouse alone, or
# beside its peers. See bench/README.md.
set -euo pipefail

usage() {
    cat <<END
usage: scripts/bench.sh [OPTION...] [NAME...]

  -p          build the peers as well and compare with them
  -g          how cost grows with the number of operations, instead of the comparison
  -r ROUNDS   of the comparison (default 7)
  -b ROWS     of the comparison (default: all)
  -w WORKERS  of the comparison (default "1 2")

NAME is that of a source in bench/, without its ending; by default all of them. Results of the
comparison are in build/bench, as lines of JSON and, with peers or -g and gnuplot, as a picture.
ROUSE_BUILD_DIR is where rouse was built (default build).
END
}

cd "$(dirname "$0")/.."
bin=${ROUSE_BUILD_DIR:-build}/bin
with_peers=0
growth=0
options=()
while getopts 'pgr:b:w:-:h' option; do
    case $option in
    p) with_peers=1 ;;
    g)
        growth=1
        options+=(--growth)
        ;;
    r | b | w) options+=("-$option" "$OPTARG") ;;
    -)
        [[ $OPTARG == help ]] || { usage >&2 && exit 2; }
        usage && exit 0
        ;;
    h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))

# What includes bench.h or parts.h has rows; anything else is run as it is.
alone=()
compared=()
add() {
    local program=$bin/bench_$1

    [[ -x $program ]] || { echo "bench: there is no $program; \"make\" builds it" >&2 && exit 1; }
    if ! grep -qE '^#include "(bench|parts)\.h"' "bench/$1.c"; then
        alone+=("$program")
    elif "$program" --help | grep -q -e --style; then
        compared+=("$program --style future" "$program --style fiber")
    else
        compared+=("$program")
    fi
}

names=("$@")
if ((${#names[@]} == 0)); then
    for source in bench/*.c; do
        name=$(basename "$source" .c)
        if [[ $name != floor* && -x $bin/bench_$name ]]; then names+=("$name"); fi
    done
    names+=(floor floor_fiber)  # stand last in the tables
fi
for name in "${names[@]}"; do add "$name"; done

if ((with_peers)); then
    echo "== building the peers"
    bench/peers/build.sh build/bench
    compared+=(build/bench/peer_{tokio,go,asio,libuv})
elif ((!growth)); then
    for program in "${alone[@]}"; do
        echo "== ${program##*/bench_}"
        "$program"
    done
fi
((${#compared[@]} > 0)) || exit 0
echo "== comparison"
bench/compare.sh "${options[@]}" "${compared[@]}"
draw() {
    command -v gnuplot >/dev/null || return 0
    gnuplot -c bench/plot.gp "build/bench/$1.jsonl" "build/bench/$1.svg" "${@:2}"
    echo
    echo "drawn in build/bench/$1.svg"
}

if ((growth)); then
    draw growth growth
elif ((with_peers)); then
    draw results
fi
