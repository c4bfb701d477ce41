#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What httpd does about clients that are slow, idle or too many: each limit is set low and overrun,
# and its answer and its time are looked at. With two workers on one reactor, and one on the other.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"

site=$scratch/site
mkdir -p "$site"
printf 'Hello, World!' >"$site/hello.txt"
truncate -s 64M "$site/sparse"
get='GET /hello.txt HTTP/1.1\r\nHost: a\r\n'

now_ms() {
    echo $(($(now_us) / 1000))
}

# takes FROM TO COMMAND...: it succeeds, within these milliseconds. Sanitizers get more.
takes() {
    local from=$1 to=$2 start took

    shift 2
    if $sanitized; then to=$((to * 4)); fi
    start=$(now_ms)
    "$@" || return
    took=$(($(now_ms) - start))
    echo "it took $took ms"
    ((took >= from && took <= to))
}

# A client that sends a byte now and then, for as long as it is let.
drip() {  # drip FILE
    local connection

    exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
    cat <&"$connection" >"$1" &
    printf 'GET /hello.txt HTTP/1.1\r\n' >&"$connection"
    for _ in {1..12}; do
        sleep 0.25
        printf 'X' >&"$connection" || break
    done 2>/dev/null
    wait $!
    exec {connection}>&-
}

# slowest_answer COUNT: of so many, one after the other; in `slowest`, milliseconds.
slowest_answer() {
    local i start took

    slowest=0
    for ((i = 0; i < $1; i++)); do
        start=$(now_ms)
        answered 200 "${get}Connection: close\\r\\n\\r\\n" || return
        took=$(($(now_ms) - start))
        slowest=$((took > slowest ? took : slowest))
    done
}

# A drip is not idle, but its request is overdue in the end; and nobody waits for it. What the
# machine's other work takes, an answer takes before as well.
slow_clients_delay_nobody() {
    local i pids=() slowest usual

    slowest_answer 30 || return
    usual=$slowest
    for i in {1..40}; do
        drip "$scratch/drip.$i" &
        pids+=($!)
    done
    sleep 0.3
    slowest_answer 30 || return
    wait "${pids[@]}"
    echo "the slowest answer took $slowest ms, and $usual ms without slow clients"
    head -n 1 "$scratch"/drip.* | sort | uniq -c
    ((slowest < usual + 400)) && (($(grep -l '^HTTP/1.1 408 ' "$scratch"/drip.* | wc -l) == 40))
}

# Reads nothing of a large answer; the server gives up when nothing moves any more.
deaf_client_is_dropped() {
    local connection counts

    counts=$(live_counts)
    exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
    printf 'GET /sparse HTTP/1.1\r\nHost: a\r\n\r\n' >&"$connection"
    differs_from "$counts" || return
    takes 500 4000 returns_to "$counts"
    local status=$?
    exec {connection}>&-
    return "$status"
}

# Opens as many connections as are allowed, then some more, then closes one.
too_many_are_told() {
    local held=() i connection

    for i in {1..8}; do
        exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
        held+=("$connection")
        send "$connection" "$get\\r\\n"
        read -r -t 5 -u "$connection" line || return
        [[ $line == 'HTTP/1.1 200 '* ]] || return
    done
    for i in {1..5}; do
        answered 503 "${get}Connection: close\\r\\n\\r\\n" || return
    done
    connection=${held[0]}
    exec {connection}>&-
    for i in {1..40}; do
        if answered 200 "${get}Connection: close\\r\\n\\r\\n"; then break; fi
        sleep 0.05
    done
    for connection in "${held[@]:1}"; do exec {connection}>&-; done
    ((i < 40))
}

check_limits() {
    local with=$1

    shift
    claim "$with: the server starts" server_start --root "$site" "$@" --idle-timeout 0.8 \
        --request-timeout 1.6
    claim "$with: a silent client is closed without a word" takes 750 1500 answered none ''
    claim "$with: so is one that has had its answer" takes 750 1500 answered 200 "$get\\r\\n"
    claim "$with: a pause within a head is 408" takes 750 1500 answered 408 "$get"
    claim "$with: a pause within a body is 408" takes 750 1500 answered 408 \
        "${get}Content-Length: 9\\r\\n\\r\\nabc"
    claim "$with: slow clients delay nobody, and get 408" slow_clients_delay_nobody
    claim "$with: a client that does not read is dropped" deaf_client_is_dropped
    claim "$with: it ends in order" server_stops
}

check_limits 'epoll, 2' --reactor epoll --workers 2
check_limits 'poll, 1' --reactor poll --workers 1

claim 'the server starts with small limits' server_start --root "$site" --workers 2 \
    --max-connections 8 --max-head-size 256 --max-headers 3 --max-body-size 4
claim 'connections beyond the limit are told 503, and later ones served' too_many_are_told
claim 'a head beyond its limit is 431' answered 431 "${get}X: $(printf '%0300d' 0)\\r\\n\\r\\n"
claim 'an address beyond it is 414' answered 414 "GET /$(printf '%0300d' 0) HTTP/1.1\\r\\n\\r\\n"
claim 'fields beyond their limit are 431' answered 431 "${get}A: a\\r\\nB: b\\r\\nC: c\\r\\n\\r\\n"
claim 'fields within it are not' answered 200 "${get}A: a\\r\\nConnection: close\\r\\n\\r\\n"
claim 'a body beyond its limit is 413' answered 413 "${get}Content-Length: 5\\r\\n\\r\\nabcde"
claim 'a body within it is not' answered 200 \
    "${get}Content-Length: 4\\r\\nConnection: close\\r\\n\\r\\nabcd"
claim 'it ends in order with small limits' server_stops
finish
