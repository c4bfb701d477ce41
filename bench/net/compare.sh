#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Measures two servers against each other. Each round starts one, loads it at every depth and stops
# it, and then the other; every second round the other goes first, so that a slow phase of the
# machine hits both. The server has one core and the load generator another. A server is a command
# line that serves on loopback, prints "listening on ADDR:PORT" and ends at SIGTERM; it is started
# without a shell in between, so variables are set by env, and quotes mean nothing in it.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<END
usage: compare.sh [OPTION...] SERVER-A SERVER-B

  -m MODE         http (default) or echo
  -p PATH         of http (default /)
  -c CONNECTIONS  default 64
  -d DEPTHS       requests in flight per connection (default "1 16")
  -r ROUNDS       default 7
  -t SECONDS      measured at each depth of each round (default 1)
  -w SECONDS      warm-up before that (default 0.3)
  -S CORE         of the servers (default 0)
  -L CORE         of the load generator (default 1)
  -l COMMAND      the load generator (default: bench_net_load in \$ROUSE_BUILD_DIR/bin, or in
                  build/bin of this tree)

  compare.sh 'build/bin/my_server --listen 127.0.0.1:0' build/bin/bench_net_epoll_http

The ratios are those of A to B, round by round: below 1, A takes less CPU time for a request or
serves fewer of them. The median of the rounds is followed by the least and the greatest.
END
}

fail() {
    echo "compare.sh: $1" >&2
    exit "${2:-1}"
}

tree=$(cd "$(dirname "$0")/../.." && pwd)
load=${ROUSE_BUILD_DIR:-$tree/build}/bin/bench_net_load
mode=http path=/ connections=64 depths='1 16' rounds=7 seconds=1 warmup=0.3
server_core=0 load_core=1
while getopts 'm:p:c:d:r:t:w:S:L:l:h' option; do
    case $option in
    m) mode=$OPTARG ;;
    p) path=$OPTARG ;;
    c) connections=$OPTARG ;;
    d) depths=$OPTARG ;;
    r) rounds=$OPTARG ;;
    t) seconds=$OPTARG ;;
    w) warmup=$OPTARG ;;
    S) server_core=$OPTARG ;;
    L) load_core=$OPTARG ;;
    l) load=$OPTARG ;;
    h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[[ $# -eq 2 ]] || { usage >&2 && exit 2; }
[[ $mode == http || $mode == echo ]] || fail "-m is http or echo, not '$mode'" 2
[[ $rounds =~ ^[1-9][0-9]?$ ]] || fail "-r is from 1 to 99, not '$rounds'" 2
[[ $depths =~ ^[0-9]+(\ +[0-9]+)*$ ]] || fail "-d is a list of numbers, not '$depths'" 2
[[ -x $load ]] || fail "no load generator at $load (see -l)"
command -v taskset >/dev/null || fail 'needs taskset, of util-linux'
read -ra depth_list <<<"$depths"
declare -A command=([A]=$1 [B]=$2)

# --- the server that runs now; never two at a time -----------------------------------------------

server_pid=
server_output=

server_stop() {
    local pid=$server_pid i

    [[ -n $pid ]] || return 0
    server_pid=
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < 40; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    if ((i == 40)); then kill -KILL "$pid" 2>/dev/null || true; fi
    wait "$pid" 2>/dev/null || true
    exec {server_output}<&-
}

trap server_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Sets server_pid and address.
server_start() {
    local name=$1 words line

    read -ra words <<<"${command[$name]}"
    exec {server_output}< <(exec taskset -c "$server_core" "${words[@]}")
    server_pid=$!
    address=
    while [[ -z $address ]]; do
        read -r -t 10 -u "$server_output" line || fail "server $name does not say where it listens"
        if [[ $line =~ listening\ on\ (http://)?([0-9.]+:[0-9]+) ]]; then
            address=${BASH_REMATCH[2]}
        fi
    done
}

# --- rounds --------------------------------------------------------------------------------------

results=()  # "depth server round" and then these members of the load generator's output
members=(server_cpu_us_per_req req_per_s p50_us p99_us load_busy)

record() {
    local result=$1 line=$2 name pattern

    for name in "${members[@]}"; do
        pattern="\"$name\": ([0-9.]+)"
        [[ $line =~ $pattern ]] || fail "the load generator prints no $name: $line"
        result+=" ${BASH_REMATCH[1]}"
    done
    results+=("$result")
}

measure() {
    local name=$1 round=$2 depth line

    server_start "$name"
    for depth in "${depth_list[@]}"; do
        line=$("$load" --mode "$mode" --path "$path" --target "$address" \
            --connections "$connections" --depth "$depth" --warmup "$warmup" \
            --duration "$seconds" --cpu "$load_core" \
            --server-pid "$server_pid") || fail "the load on server $name failed: $line"
        record "$depth $name $round" "$line"
    done
    server_stop
}

for ((round = 1; round <= rounds; round++)); do
    if ((round % 2 == 1)); then
        measure A "$round"
        measure B "$round"
    else
        measure B "$round"
        measure A "$round"
    fi
    if [[ -t 2 ]]; then echo "round $round of $rounds" >&2; fi
done

# --- the table -----------------------------------------------------------------------------------

# The median, least and greatest of the numbers on standard input, by the given printf format.
spread() {
    sort -g | awk -v format="$1" '
        { value[NR] = $1 }
        END {
            middle = int((NR + 1) / 2)
            median = NR % 2 ? value[middle] : (value[middle] + value[middle + 1]) / 2
            printf format " (" format ".." format ")", median, value[1], value[NR]
        }'
}

# column DEPTH SERVER FIELD: one number a round.
column() {
    printf '%s\n' "${results[@]}" |
        awk -v depth="$1" -v server="$2" -v field="$3" \
            '$1 == depth && $2 == server { print $field }'
}

# ratios DEPTH FIELD: A to B, one a round.
ratios() {
    printf '%s\n' "${results[@]}" | awk -v depth="$1" -v field="$2" '
        $1 == depth { value[$2, $3] = $field; if ($3 > rounds) rounds = $3 }
        END {
            for (i = 1; i <= rounds; i++) {
                if (value["B", i] > 0) print value["A", i] / value["B", i]
            }
        }'
}

row() {
    printf '%-6s %-7s %-22s %-26s %-20s %-20s %s\n' "$@"
}

# The load generator's own busy share says how near it came to be the limit.
print_table() {
    local depth name

    row depth server 'CPU us/req' 'req/s' 'p50 us' 'p99 us' 'load busy'
    for depth in "${depth_list[@]}"; do
        for name in A B; do
            row "$depth" "$name" "$(column "$depth" "$name" 4 | spread %.3f)" \
                "$(column "$depth" "$name" 5 | spread %.0f)" \
                "$(column "$depth" "$name" 6 | spread %.0f)" \
                "$(column "$depth" "$name" 7 | spread %.0f)" \
                "$(column "$depth" "$name" 8 | spread %.2f)"
        done
        row "$depth" A/B "$(ratios "$depth" 4 | spread %.3f)" "$(ratios "$depth" 5 | spread %.3f)" \
            "$(ratios "$depth" 6 | spread %.2f)" "$(ratios "$depth" 7 | spread %.2f)" -
    done
}

echo "A: ${command[A]}"
echo "B: ${command[B]}"
echo "$mode, $connections connections, $rounds rounds of $seconds s;" \
    "servers on core $server_core, load on core $load_core"
echo
print_table
