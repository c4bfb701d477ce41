#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# How tcp_proxy ends: connections have their time to end by themselves, are cut off when the grace
# is over, and at once by a second signal. On each reactor.
set -uo pipefail
# shellcheck source=tests/blackbox/tcp_proxy.bash
source "$(dirname "$0")/tcp_proxy.bash"

ends_with() {  # ends_with STATUS
    server_wait 20
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == "$1" ]]
}

# The signal has been heard: nobody is let in any more.
door_closes() {
    for _ in {1..400}; do
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
        sleep 0.025
    done
    return 1
}

# Each of these ends the proxy that was started before.

ends_at_once() {
    kill -TERM "$server_pid"
    ends_with 0
}

# What stands goes on, and nobody else is let in.
connection_is_finished() {
    scene_begin hold || return
    kill -TERM "$server_pid"
    door_closes || return
    scene_end && ends_with 0
}

# With --grace 0.2.
connection_is_cut_off() {
    scene_begin held_until_cut || return
    kill -TERM "$server_pid"
    scene_end && ends_with 0 && grep -q 'connections cut off: 1$' "$scratch/stderr"
}

second_signal_ends() {
    scene_begin hold || return
    kill -INT "$server_pid"
    door_closes || return
    kill -TERM "$server_pid"
    ends_with 1 || return
    scene_end
    true  # its connection broke
}

dump_tells_of_the_copy() {
    scene_begin hold || return
    kill -QUIT "$server_pid"
    for _ in {1..200}; do
        if grep -q 'copy from fd' "$scratch/stderr"; then break; fi
        sleep 0.025
    done
    scene_end || return
    kill -TERM "$server_pid"
    ends_with 0 && grep -qE 'copy from fd [0-9]+ to fd [0-9]+: reading' "$scratch/stderr"
}

for reactor in epoll poll; do
    options=(--reactor "$reactor" --workers 2)

    proxy_start "${options[@]}" || exit 1
    claim "$reactor: without connections it ends at once" ends_at_once
    proxy_start "${options[@]}" || exit 1
    claim "$reactor: a connection may end by itself" connection_is_finished
    proxy_start "${options[@]}" --grace 0.2 || exit 1
    claim "$reactor: when the grace is over it is reset" connection_is_cut_off
    proxy_start "${options[@]}" || exit 1
    claim "$reactor: a second signal ends all at once" second_signal_ends
    proxy_start "${options[@]}" || exit 1
    claim "$reactor: a dump says what a connection waits for" dump_tells_of_the_copy
done
finish
