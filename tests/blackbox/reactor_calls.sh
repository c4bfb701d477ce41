#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Which system calls a reactor makes: with epoll none of io_uring's, seen from outside. The same
# look at a ring finds some, so it is able to.
set -euo pipefail
export LC_ALL=C

program=$ROUSE_BUILD_DIR/bin/poller_demo
# The search for leaks traces the process, and so does strace.
export ASAN_OPTIONS=detect_leaks=0
points=0
failures=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if ! command -v strace >/dev/null || ! strace -f -o "$scratch/try" true 2>/dev/null; then
    echo "1..0 # SKIP no strace here"
    exit 77
fi

# claim TEXT COMMAND...
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@"; then
        echo "ok $points - $text"
    else
        failures=$((failures + 1))
        echo "not ok $points - $text"
    fi
}

# ring_calls REACTOR: how many of io_uring's calls a program makes that waits for sockets.
ring_calls() {
    ROUSE_REACTOR=$1 timeout 50 strace -f -o "$scratch/$1" \
        -e trace=io_uring_setup,io_uring_enter,io_uring_register "$program" >/dev/null || return 1
    grep -c 'io_uring_' "$scratch/$1" || true
}

# has NAME MINIMUM MAXIMUM
has() {
    local count

    count=$(ring_calls "$1") || return 1
    ((count >= $2 && count <= $3))
}

many=1000000
claim "with epoll no call of io_uring is made" has epoll 0 0
claim "nor where the choice is left to us" has auto 0 0
claim "nor with poll" has poll 0 0
claim "with io_uring at least its set-up is tried" has io_uring 1 $many
echo "1..$points"
((failures == 0))
