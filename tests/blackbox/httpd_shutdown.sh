#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# How httpd ends: in order at the first signal, cut short when the grace is over, at once at the
# second signal. On each reactor, with one worker and with two.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"
need curl

site=$scratch/site
mkdir -p "$site"
printf 'Hello, World!' >"$site/hello.txt"
truncate -s 32M "$site/sparse"
sum=$(sha256sum <"$site/sparse")
get='GET /hello.txt HTTP/1.1\r\nHost: a\r\n'

# request_begins: half of a head is at the server, by a new `connection`.
request_begins() {
    local counts

    counts=$(live_counts)
    exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
    send "$connection" "$get"
    differs_from "$counts" || return
    sleep 0.1  # it is accepted, and what was sent is read at once
}

# A signal has arrived: nobody is let in any more.
nobody_is_let_in() {
    local i probe

    for ((i = 0; i < 200; i++)); do
        if ! { exec {probe}<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then return 0; fi
        exec {probe}>&-
        sleep 0.025
    done
    echo 'a new connection was taken'
    return 1
}

# Each of these ends the server that was started before.

ends_with() {  # ends_with STATUS SECONDS
    server_wait "$2"
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == "$1" ]]
}

idle_ends_at_once() {
    kill "-$1" "$server_pid"
    ends_with 0 2
}

# Connections that wait for a request are closed, and the server does not wait for them.
idle_connections_are_closed() {
    local i connection held=() line

    for i in {1..20}; do
        exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
        send "$connection" "$get\\r\\n"
        read -r -t 5 -u "$connection" line || return
        held+=("$connection")
    done
    kill -TERM "$server_pid"
    ends_with 0 2 || return
    for connection in "${held[@]}"; do
        timeout 5 cat <&"$connection" >"$scratch/rest" || return
        [[ $(tail -c 13 "$scratch/rest") == 'Hello, World!' ]] || return
        exec {connection}>&-
    done
}

# A download that has begun, slowly, comes to its end; meanwhile nobody else is let in.
download_is_finished() {
    local pid

    rm -f "$scratch/got"
    fetch --limit-rate 12M -o "$scratch/got" /sparse &
    pid=$!
    for _ in {1..100}; do
        if [[ -s $scratch/got ]]; then break; fi  # it has begun
        sleep 0.05
    done
    kill -TERM "$server_pid"
    nobody_is_let_in || return
    kill -0 "$server_pid" || return
    wait "$pid" || return
    [[ $(sha256sum <"$scratch/got") == "$sum" ]] && ends_with 0 4
}

# A request whose head has begun is still answered, and told that it is the last.
request_is_finished() {
    local connection got

    request_begins || return
    kill -TERM "$server_pid"
    nobody_is_let_in || return
    send "$connection" '\r\n'
    got=$(timeout 5 cat <&"$connection")
    exec {connection}>&-
    echo "$got"
    [[ $got == 'HTTP/1.1 200 '*'Connection: close'*'Hello, World!' ]] && ends_with 0 2
}

# With --grace 1: a request that never ends keeps the server for a second, and no longer.
grace_ends() {
    local connection status begun_us took_us

    request_begins || return
    begun_us=$(now_us)
    kill -TERM "$server_pid"
    nobody_is_let_in || return
    ends_with 0 3
    status=$?
    took_us=$(($(now_us) - begun_us))
    exec {connection}>&-
    echo "after $took_us us"
    ((status == 0 && took_us >= 1000000)) && grep -q 'connections cut off: 1$' "$scratch/stderr"
}

second_signal_ends() {  # second_signal_ends FIRST SECOND
    local connection status

    request_begins || return
    kill "-$1" "$server_pid"
    nobody_is_let_in || return
    kill -0 "$server_pid" || return
    kill "-$2" "$server_pid"
    ends_with 1 2
    status=$?
    exec {connection}>&-
    return "$status"
}

# Many connections under load: every answer that has begun is whole.
load_is_ended_in_order() {
    local pid status

    "${prefix[@]}" timeout 20 "$build/bin/bench_io_load" --mode http --target "$address" \
        --path /hello.txt --connections 50 --depth 4 --duration 10 >"$scratch/load" 2>&1 &
    pid=$!
    sleep 0.5
    kill -TERM "$server_pid"
    ends_with 0 4
    status=$?
    wait "$pid"  # it complains about connections that end, and must not about answers
    cat "$scratch/load"
    ((status == 0)) && ! grep -q 'wrong reply' "$scratch/load"
}

for reactor in epoll poll; do
    for workers in 1 2; do
        with="$reactor, $workers"
        options=(--root "$site" --reactor "$reactor" --workers "$workers")

        server_start "${options[@]}" || exit 1
        claim "$with: SIGTERM ends an idle server at once" idle_ends_at_once TERM
        server_start "${options[@]}" || exit 1
        claim "$with: so does SIGINT" idle_ends_at_once INT
        server_start "${options[@]}" || exit 1
        claim "$with: idle connections are closed" idle_connections_are_closed
        server_start "${options[@]}" || exit 1
        claim "$with: a download is finished" download_is_finished
        server_start "${options[@]}" || exit 1
        claim "$with: a request is finished" request_is_finished
        server_start "${options[@]}" --grace 1 || exit 1
        claim "$with: the grace ends" grace_ends
        server_start "${options[@]}" || exit 1
        claim "$with: a second signal ends it at once" second_signal_ends TERM TERM
        server_start "${options[@]}" || exit 1
        claim "$with: so does another one" second_signal_ends INT TERM
        if [[ -x $build/bin/bench_io_load ]]; then
            server_start "${options[@]}" || exit 1
            claim "$with: it ends in order under load" load_is_ended_in_order
        else
            skip "$with: it ends in order under load" 'the load generator is not built'
        fi
    done
done
finish
