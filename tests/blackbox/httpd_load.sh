#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# httpd under load: what the usual load generators say, large files for several clients at once, and
# clients that die in the middle. Then nothing may be left over. It is not about speed.
# ROUSE_TEST_FULL=1 makes it large: a file of 1 GiB, and 10000 clients that die.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"
need curl

size=64M kills=16
if [[ ${ROUSE_TEST_FULL:-0} != 0 ]]; then size=1G kills=160; fi
site=$scratch/site
mkdir -p "$site"
printf 'Hello, World!' >"$site/hello.txt"
# The tag of a file that has just changed is weak, and strong a little later: replies would differ.
touch -d '1 hour ago' "$site/hello.txt"
truncate -s "$size" "$site/sparse"
printf 'the end' >>"$site/sparse"
sum=$(sha256sum <"$site/sparse")

# --- checks --------------------------------------------------------------------------------------

wrk_is_content() {  # wrk_is_content CONNECTIONS
    wrk -t 2 -c "$1" -d 1s "http://$address/hello.txt" >"$scratch/out" 2>&1
    cat "$scratch/out"
    grep -qE '^ *[1-9][0-9]* requests in' "$scratch/out" &&
        ! grep -qE 'Non-2xx|Socket errors' "$scratch/out"
}

ab_is_content() {  # ab_is_content OPTION...
    ab -q -n 3000 -c 50 "$@" "http://$address/hello.txt" >"$scratch/out" 2>&1
    cat "$scratch/out"
    grep -qE '^Complete requests: +3000$' "$scratch/out" &&
        grep -qE '^Failed requests: +0$' "$scratch/out" && ! grep -q 'Non-2xx' "$scratch/out"
}

h2load_is_content() {
    h2load --h1 -n 20000 -c 50 -m 8 "http://$address/hello.txt" >"$scratch/out" 2>&1
    cat "$scratch/out"
    grep -q '20000 succeeded, 0 failed, 0 errored' "$scratch/out"
}

# On TCP, HTTP/1.1 by pipelining and with a connection for each request.
load_is_content() {  # load_is_content OPTION...
    "${prefix[@]}" timeout 30 "$build/bin/bench_io_load" --target "$address" --path /hello.txt \
        --warmup 0.1 --duration 0.5 --server-pid "$server_pid" "$@" >"$scratch/out" 2>&1
    local status=$?

    cat "$scratch/out"
    ((status == 0))
}

eight_get_it_whole() {
    local i pids=() pid

    for i in {1..8}; do
        # The hash alone is kept: eight copies may be more than there is room for.
        fetch --max-time 100 /sparse 2>"$scratch/curl.$i" | sha256sum >"$scratch/sum.$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    cat "$scratch"/curl.*
    for i in {1..8}; do
        [[ $(<"$scratch/sum.$i") == "$sum" ]] || return
    done
}

# 64 clients each time, with requests and answers on their way in both directions.
clients_die() {
    local i

    for ((i = 0; i < kills; i++)); do
        "${prefix[@]}" "$build/bin/bench_io_load" --mode http --target "$address" \
            --path /hello.txt --connections 64 --depth 4 --duration 20 >/dev/null 2>&1 &
        local pid=$!

        sleep 0.05
        kill -KILL "$pid"
        wait "$pid" 2>/dev/null
    done
    returns_to "$unloaded" && status_is 200 /hello.txt
}

# Eight each time, while the file is on its way.
downloads_die() {
    local i pids

    for ((i = 0; i < kills; i++)); do
        pids=()
        for _ in {1..8}; do
            fetch --limit-rate 10M -o /dev/null /sparse 2>/dev/null &
            pids+=($!)
        done
        sleep 0.05
        kill -KILL "${pids[@]}"
        wait "${pids[@]}" 2>/dev/null
    done
    returns_to "$unloaded" && status_is 200 /hello.txt
}

# These close with unread input, with half a request, with nothing said.
clients_give_up() {
    local i connection
    local get='GET /sparse HTTP/1.1\r\nHost: a\r\n'

    for ((i = 0; i < kills * 20; i++)); do
        exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
        case $((i % 4)) in
        0) send "$connection" "$get\\r\\n" ;;
        1) send "$connection" "$get" ;;
        2) send "$connection" "$get\\r\\n$get\\r\\n$get\\r\\n" ;;
        *) ;;
        esac
        exec {connection}>&-
    done
    returns_to "$unloaded" && status_is 200 /hello.txt
}

with_tool() {  # with_tool TOOL CLAIM...
    if command -v "$1" >/dev/null || [[ -x $build/bin/$1 ]]; then
        claim "${@:2}"
    else
        skip "$2" "needs $1"
    fi
}

# Every answer has its line.
log_is_complete() {  # log_is_complete COUNT
    local i lines

    for i in {1..100}; do
        lines=$(grep -cE ' "GET /hello.txt HTTP/1.1" 200 13 "-" "h2load' "$scratch/log")
        ((lines < $1)) || break
        sleep 0.1
    done
    echo "$lines lines"
    ((lines == $1))
}

check_load() {
    local with=$1

    shift
    claim "$with: the server starts" server_start --root "$site" "$@"
    unloaded=$(settled_counts)
    with_tool wrk "$with: wrk with 64 connections is content" wrk_is_content 64
    with_tool wrk "$with: wrk with 512 connections is content" wrk_is_content 512
    with_tool ab "$with: ab with keep-alive is content" ab_is_content -k
    with_tool ab "$with: ab without it, too" ab_is_content
    with_tool h2load "$with: h2load is content" h2load_is_content
    with_tool bench_io_load "$with: connections may come and go" \
        load_is_content --mode churn --connections 20
    with_tool bench_io_load "$with: pipelining is answered" \
        load_is_content --mode http --connections 50 --depth 64
    with_tool bench_io_load "$with: clients that die leave nothing" clients_die
    claim "$with: nor do those that give up" clients_give_up
    claim "$with: nothing is left over" returns_to "$unloaded"
    claim "$with: it ends in order" server_stops
}

check_load 'epoll, 2' --reactor epoll --workers 2
check_load 'poll, 1' --reactor poll --workers 1

server_start --root "$site" --workers 2 --access-log "$scratch/log" || exit 1
unloaded=$(settled_counts)
claim 'eight clients get a large file whole' eight_get_it_whole
claim 'clients that die in a large file leave nothing' downloads_die
with_tool h2load 'h2load is content with an access log' h2load_is_content
if [[ -x $(command -v h2load) ]]; then
    claim 'every answer has its line' log_is_complete 20000
fi
claim 'it ends in order with all that' server_stops
finish
