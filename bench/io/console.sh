#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What it costs a server that its console is watched: the CPU time of a request to httpd, on one
# worker, while somebody reads what the console's page reads, and while nobody does; in turn, a
# second each, so that a slow phase of the machine hits both. All threads of the server count, and
# the server and its load have a core each. Prints the medians, and that of the rounds' ratios.
#
#     bench/io/console.sh [ROUNDS] [PATH]     default: 15 /index.html
set -euo pipefail
export LC_ALL=C

rounds=${1:-15}
path=${2:-/index.html}
tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
scratch=$(mktemp -d)
server=
reader=

stop() {  # stop PID
    [[ -n $1 ]] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

cleanup() {
    stop "$reader"
    stop "$server"
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for command in curl taskset; do
    command -v "$command" >/dev/null && continue
    echo "console.sh: needs $command" >&2
    exit 77
done

server_start() {
    local i

    taskset -c 0 "$build/bin/httpd" --root "$tree/docs/site" --workers 1 --listen 127.0.0.1:0 \
        --console=127.0.0.1:0 >"$scratch/server" 2>&1 &
    server=$!
    for ((i = 0; i < 100; i++)); do
        address=$(sed -nE 's,^listening on http://([^/]*)/?$,\1,p' "$scratch/server")
        console=$(sed -nE 's,^console at (http://[^/]*)/?$,\1,p' "$scratch/server")
        if [[ -n $address && -n $console ]]; then return; fi
        sleep 0.05
    done
    echo "console.sh: httpd does not start: $(tail -n 1 "$scratch/server")" >&2
    return 1
}

# cost: the server's CPU time for a request, in microseconds.
cost() {
    taskset -c 1 "$build/bin/bench_io_load" --mode http --path "$path" --target "$address" \
        --depth 1 --connections 64 --warmup 0.3 --duration 1 --server-pid "$server" |
        sed -nE 's/.*"server_cpu_us_per_req": ([0-9.]+).*/\1/p'
}

watch_begin() {
    taskset -c 1 curl -sN "$console/events" >"$scratch/events" &
    reader=$!
}

watch_end() {
    stop "$reader"
    reader=
    [[ -s $scratch/events ]] && return
    echo 'console.sh: the console has sent nothing' >&2
    return 1
}

# Who is first changes.
measure() {  # measure ROUND
    local alone watched

    if (($1 % 2)); then alone=$(cost); fi
    watch_begin
    watched=$(cost)
    watch_end
    if ! (($1 % 2)); then alone=$(cost); fi
    echo "$alone $watched" >>"$scratch/costs"
}

server_start
for ((round = 1; round <= rounds; round++)); do
    measure "$round"
    if [[ -t 2 ]]; then echo "console.sh: round $round of $rounds" >&2; fi
done
cat >"$scratch/awk" <<'END_OF_AWK'
{ alone[NR] = $1; watched[NR] = $2; more[NR] = 100 * ($2 / $1 - 1) }
END {
    summarize(alone, NR); without = median
    summarize(watched, NR); with = median
    summarize(more, NR)
    printf "CPU time of a request: %.2f us; while the console is watched: %.2f us\n", without, with
    printf "more, by rounds: median %.1f %% (%.1f to %.1f)\n", median, least, greatest
}
END_OF_AWK
awk -f "$tree/bench/numbers.awk" -f "$scratch/awk" "$scratch/costs"
