#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The soak: every kind of work at once in one program (soak_run), and httpd beside it under load,
# both with chaos; sampled each second and judged at the end.
#
#     tests/soak/soak.sh [--minutes N | --seconds N] [--workers N] [--seed N] [--csv FILE]
#
# ROUSE_BUILD_DIR is the build (default: build); ROUSE_REACTOR picks the back end; ROUSE_CHAOS is
# set to the seed unless it is there. The samples go to BUILD/soak.csv, a drawing of them to
# BUILD/soak.svg.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/../blackbox/httpd.bash"

workers=2
seed=$RANDOM$RANDOM
csv=$build/soak.csv
length=()
while (($# > 0)); do
    case $1 in
    --minutes | --seconds) length=("$1" "${2:?}") ;;
    --workers) workers=${2:?} ;;
    --seed) seed=${2:?} ;;
    --csv) csv=${2:?} ;;
    *) sed -n '3,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift 2
done
export ROUSE_CHAOS=${ROUSE_CHAOS:-$seed}
# Freed memory goes back soon, or it would look like a leak.
export ASAN_OPTIONS=quarantine_size_mb=4:thread_local_quarantine_size_kb=64:${ASAN_OPTIONS:-}

site=$scratch/site
mkdir -p "$site"
printf 'Hello, World!' >"$site/hello.txt"
head -c 30000 /dev/zero | tr '\0' 'r' >"$site/large.txt"
# The tag of a file that has just changed is weak, and strong a little later: replies would differ.
touch -d '1 hour ago' "$site"/*

# Requests of several kinds in turn, until told to end. What goes wrong is written down.
clients() {
    local round=0 options

    while [[ ! -e $scratch/over ]]; do
        case $((round++ % 4)) in
        0) options=(--mode http --connections 32 --depth 4 --path /hello.txt) ;;
        1) options=(--mode churn --connections 16 --path /hello.txt) ;;
        2) options=(--mode http --connections 8 --path /large.txt) ;;
        *) options=(--mode http --connections 64 --path /hello.txt) ;;
        esac
        "${prefix[@]}" timeout 120 "$build/bin/bench_io_load" --target "$address" --warmup 0.1 \
            --duration 1 "${options[@]}" >"$scratch/load" 2>&1 ||
            { echo "status $?: ${options[*]}"; cat "$scratch/load"; } >>"$scratch/wrong"
        sleep 0.5
    done
    echo "$round rounds of requests"
}

nothing_went_wrong() {
    cat "$scratch/rounds"
    [[ ! -e $scratch/wrong ]] || { head -n 40 "$scratch/wrong"; return 1; }
    ! grep -q '^0 ' "$scratch/rounds"
}

claim 'httpd starts' server_start --root "$site" --workers "$workers"
((failures == 0)) || { finish; exit 1; }
unloaded=$(live_counts)
clients >"$scratch/rounds" &
clients_pid=$!

"${prefix[@]}" "$build/tests/soak_run" "${length[@]}" --workers "$workers" --seed "$seed" \
    --csv "$csv" --watch "$server_pid" | sed -u 's/^/    /'
soaked=${PIPESTATUS[0]}

touch "$scratch/over"
wait "$clients_pid"
claim 'the loads ran, nothing grew, nothing was lost, nothing is left' test "$soaked" -eq 0
claim 'httpd answered every request' nothing_went_wrong
claim 'nothing is left in httpd' returns_to "$unloaded"
claim 'httpd ends in order' server_stops
awk -f "$tree/tests/soak/plot.awk" "$csv" >"${csv%.csv}.svg" &&
    echo "# samples: $csv, drawing: ${csv%.csv}.svg"
finish
