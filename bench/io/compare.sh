#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Measures servers beside each other. Each round starts one after another, loads it and stops it, so
# that a slow phase of the machine hits all of them, and begins with another one. The servers have
# one core and the load generator another. A server is a command line that serves on loopback,
# prints "listening on ADDR:PORT" and ends at SIGTERM; it is started without a shell in between, so
# variables are set by env, and quotes mean nothing in it.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<END
usage: bench/io/compare.sh [OPTION...] [SERVER...]

  -m MODE         http (default), echo, churn or idle; see bench_io_load --help
  -P PROTOCOL     of churn and idle: echo (default) or http
  -p PATH         of http (default /)
  -c CONNECTIONS  default 64
  -d DEPTHS       of http and echo: requests in flight per connection (default "1 16")
  -n NAME         of the work, in the results (default: MODE)
  -r ROUNDS       default 7
  -t SECONDS      measured at each depth of each round, or held idle (default 1)
  -w SECONDS      warm-up before that (default 0.3)
  -S CORES        of the servers (default 0), as taskset takes them
  -L CORES        of the load generator (default 1)
  -s              the load generator spins instead of sleeping, so that no server pays for its
                  wakes: what a request costs the server alone
  -I              count the instructions of the server's own code, by callgrind, instead of
                  time: that does not depend on what else runs on the machine
  -l COMMAND      the load generator (default: bench_io_load in \$ROUSE_BUILD_DIR/bin, or in
                  build/bin of this tree)
  -o FILE         the results, one line of JSON each (default build/bench/io.jsonl)
  -a              add to FILE, and print no table
  --markdown      the table as Markdown

A SERVER is COMMAND, or NAME=COMMAND with a name of up to three parts, IMPL/STYLE/REACTOR. One that
does not start is left out. Without one, the table is made of what FILE already holds.

  bench/io/compare.sh 'mine=build/bin/my_server --listen 127.0.0.1:0' \\
      epoll=build/bin/bench_io_epoll_http

Ratios are taken round by round to the server called "epoll" or, where there is none, to the last
one; above 1, a server takes less CPU time for a request than that one.
END
}

fail() {
    echo "compare.sh: $1" >&2
    exit "${2:-1}"
}

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
load=${ROUSE_BUILD_DIR:-$tree/build}/bin/bench_io_load
mode=http protocol=echo path=/ connections=64 depths='1 16' work='' rounds=7 seconds=1 warmup=0.3
server_cores=0 load_cores=1 results=$tree/build/bench/io.jsonl adds=0 form=table counts=0 spins=0
while getopts 'm:P:p:c:d:n:r:t:w:S:L:sIl:o:a-:h' option; do
    case $option in
    m) mode=$OPTARG ;;
    P) protocol=$OPTARG ;;
    p) path=$OPTARG ;;
    c) connections=$OPTARG ;;
    d) depths=$OPTARG ;;
    n) work=$OPTARG ;;
    r) rounds=$OPTARG ;;
    t) seconds=$OPTARG ;;
    w) warmup=$OPTARG ;;
    S) server_cores=$OPTARG ;;
    L) load_cores=$OPTARG ;;
    s) spins=1 ;;
    I) counts=1 ;;
    l) load=$OPTARG ;;
    o) results=$OPTARG ;;
    a) adds=1 ;;
    h) usage && exit 0 ;;
    -)
        case $OPTARG in
        help) usage && exit 0 ;;
        markdown) form=markdown ;;
        *) usage >&2 && exit 2 ;;
        esac
        ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))

print_table() {
    awk -v form="$form" -f "$tree/bench/numbers.awk" -f "$here/table.awk" "$here/goals.txt" \
        "$results"
}

if (($# == 0)); then
    [[ -s $results ]] || { usage >&2 && exit 2; }
    print_table
    exit
fi
case $mode in
http | echo) protocol=$mode ;;
churn | idle) depths=1 ;;
*) fail "-m is http, echo, churn or idle, not '$mode'" 2 ;;
esac
[[ $protocol == http || $protocol == echo ]] || fail "-P is echo or http, not '$protocol'" 2
[[ $rounds =~ ^[1-9][0-9]?$ ]] || fail "-r is from 1 to 99, not '$rounds'" 2
[[ $depths =~ ^[0-9]+(\ +[0-9]+)*$ ]] || fail "-d is a list of numbers, not '$depths'" 2
[[ -x $load ]] || fail "no load generator at $load (see -l)"
command -v taskset >/dev/null || fail 'needs taskset, of util-linux'
if ((counts)); then
    command -v valgrind >/dev/null || fail '-I needs valgrind'
    [[ $mode != idle ]] || fail '-I is not for idle' 2
    work=${work:-${mode}_instructions} warmup=0  # all requests are counted
fi
read -ra depth_list <<<"$depths"
ulimit -S -n "$(ulimit -H -n)"

# --- the servers ---------------------------------------------------------------------------------

letters=ABCDEFGHIJKLMNOPQRSTUVWXYZ
names=()
commands=()
for server in "$@"; do
    if [[ $server =~ ^([A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+){0,2})=(.*)$ ]]; then
        names+=("${BASH_REMATCH[1]}")
        commands+=("${BASH_REMATCH[3]}")
    else
        names+=("${letters:${#names[@]}:1}")
        commands+=("$server")
    fi
done

# The server that runs now; never two at a time.
server_pid=
server_output=

server_stop() {
    local pid=$server_pid i

    [[ -n $pid ]] || return 0
    server_pid=
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < 250; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    if ((i == 250)); then kill -KILL "$pid" 2>/dev/null || true; fi
    wait "$pid" 2>/dev/null || true
    exec {server_output}<&-
}

scratch=$(mktemp -d)
trap 'server_stop; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# server_start INDEX: sets server_pid and address. Fails if the server does not say where it
# listens, or says that the reactor of its name was refused: then it waits with another one.
server_start() {
    local words line

    read -ra words <<<"${commands[$1]}"
    if ((counts)); then
        words=(valgrind --tool=callgrind --trace-children=yes --callgrind-out-file=/dev/null
            "${words[@]}")
    fi
    exec {server_output}< <(exec taskset -c "$server_cores" "${words[@]}" 2>"$scratch/complaint")
    server_pid=$!
    while read -r -t 20 -u "$server_output" line; do
        if [[ $line =~ listening\ on\ (http://)?([0-9.]+:[0-9]+) ]]; then
            address=${BASH_REMATCH[2]}
            if [[ ${names[$1]} != */*/* ]]; then return; fi
            if ! grep -q 'reactor: .* refused' "$scratch/complaint"; then return; fi
            break
        fi
    done
    server_stop
    return 1
}

# --- rounds --------------------------------------------------------------------------------------

# member LINE NAME: the number of that name in the load generator's output; null stays null.
member() {
    [[ $1 =~ \"$2\":\ ([0-9.]+|null|-[0-9.]+) ]] || fail "the load generator prints no $2: $1"
    echo "${BASH_REMATCH[1]}"
}

# record INDEX ROUND DEPTH LINE: adds a result.
record() {
    local impl style reactor line=$4 figures grown total

    IFS=/ read -r impl style reactor <<<"${names[$1]}"
    if ((counts)); then
        total=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$scratch/complaint" | tail -n 1)
        [[ -n $total ]] || fail "callgrind has not counted ${names[$1]}"
        figures="\"instructions_per_req\":$((total / ($(member "$line" requests) + 1)))"
    elif [[ $mode == idle ]]; then
        grown=$(member "$line" rss_grown_kib)
        figures="\"rss_kib\":$(($(member "$line" rss_before_kib) + grown))"
        figures+=",\"bytes_per_conn\":$(member "$line" rss_bytes_per_connection)"
    else
        figures="\"req_per_s\":$(member "$line" req_per_s)"
        figures+=",\"core_us_per_req\":$(member "$line" server_cpu_us_per_req)"
        figures+=",\"p50_us\":$(member "$line" p50_us),\"p99_us\":$(member "$line" p99_us)"
        figures+=",\"p999_us\":$(member "$line" p99_9_us)"
        figures+=",\"rss_kib\":$(member "$line" server_rss_kib)"
        figures+=",\"load_busy\":$(member "$line" load_busy)"
    fi
    echo "{\"bench\":\"${work:-$mode}\",\"impl\":\"$impl\",\"style\":\"${style:--}\"," \
        "\"reactor\":\"${reactor:--}\",\"connections\":$connections,\"depth\":$3,$figures," \
        "\"round\":$2}" | sed 's/, "/,"/g' >>"$results"
}

# loads DEPTH: sets line to what the load generator prints.
loads() {
    local arguments=(--mode "$mode" --path "$path" --target "$address" --depth "$1"
        --connections "$connections" --warmup "$warmup" --duration "$seconds" --hold "$seconds"
        --server-pid "$server_pid")

    if ((spins)); then arguments+=(--spin); fi
    if [[ $mode == churn || $mode == idle ]]; then arguments+=(--protocol "$protocol"); fi
    line=$(taskset -c "$load_cores" "$load" "${arguments[@]}")
}

# measure INDEX ROUND
measure() {
    local index=$1 round=$2 depth line

    if ! server_start "$index"; then
        ((round == 1)) || fail "${names[index]} does not start any more"
        echo "compare.sh: without ${names[index]}: $(grep -v '^==' "$scratch/complaint" |
            tail -n 1)" >&2
        commands[index]=
        return
    fi
    for depth in "${depth_list[@]}"; do
        [[ -n $server_pid ]] || server_start "$index" || fail "${names[index]} does not start"
        loads "$depth" || fail "the load on ${names[index]} failed: $line"
        if ((counts)); then server_stop; fi  # which says how many there were
        record "$index" "$round" "$depth" "$line"
    done
    server_stop
}

mkdir -p "$(dirname "$results")"
if ((!adds)); then : >"$results"; fi
for ((round = 1; round <= rounds; round++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do
        index=$(((i + round - 1) % ${#names[@]}))
        if [[ -n ${commands[index]} ]]; then measure "$index" "$round"; fi
    done
    if [[ -t 2 ]]; then echo "${work:-$mode}: round $round of $rounds" >&2; fi
done
[[ -n ${commands[*]// /} ]] || fail 'no server has started'
((!adds)) || exit 0

if [[ $form == table ]]; then
    echo "$rounds rounds of $seconds s; servers on core $server_cores, load on core $load_cores;" \
        "results in $results"
    echo
fi
print_table
