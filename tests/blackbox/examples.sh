#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each example does what it says: runs it and looks at what it prints, how it ends and, loosely, how
# long it takes. ROUSE_TEST_FULL=1 runs the large numbers.
set -euo pipefail
export LC_ALL=C

bin=${ROUSE_BUILD_DIR:-build}/bin
scratch=$(mktemp -d)
points=0
failures=0
server=

cleanup() {
    if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi
    rm -rf "$scratch"
}
trap cleanup EXIT

# claim TEXT COMMAND...: one test point; what the command prints is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/claim" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/claim"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

# prints PROGRAM EXPECTED: its whole output is that, but for hundredths of a second.
prints() {
    diff <(timeout 20 "$bin/$1" | sed -E 's/([0-9])\.[0-4][0-9]\.$/\1.00./') - <<<"$2"
}

howdy_says() {
    local start=$EPOCHREALTIME output

    output=$(timeout 20 "$bin/howdy")
    [[ $output == $'howdy!\ndone!' ]] || return 1
    awk -v from="$start" -v to="$EPOCHREALTIME" 'BEGIN { s = to - from; exit !(s >= 2 && s < 6) }'
}

# howdy_many STYLE N LIMIT: so many tasks at once, below so many bytes for each.
howdy_many() {
    local output

    output=$(timeout 60 "$bin/howdy" --tasks "$2" --style "$1" --quiet)
    echo "$output"
    # "... N bytes per task"
    awk -v limit="$3" '
        match($0, /[0-9.]+ bytes per task/) { bytes = substr($0, RSTART, RLENGTH) + 0 }
        END { exit !(bytes > 0 && bytes <= limit) }' <<<"$output"
}

join_then_says() {
    local output

    output=$(timeout 20 "$bin/join_then")
    echo "$output"
    awk '
        /^join:/ { join = $2; if ($4 != 0) bad = 1 }
        /^then:/ { then = $2; if ($4 != 0) bad = 1 }
        END { exit !(!bad && join >= 0.1 && join < 1 && then >= 0.2 && then < 2) }' <<<"$output"
}

socket_read_says() {
    local output

    output=$(timeout 20 "$bin/socket_read")
    echo "$output"
    grep -q '^pipe: read "howdy" .* 2 polls$' <<<"$output" &&
        grep -q '^tcp: read "howdy" .* 2 polls$' <<<"$output"
}

poller_says() {
    local output

    output=$(timeout 20 "$bin/poller_demo")
    echo "$output"
    grep -qx 'Socket 1 is now READABLE' <<<"$output" &&
        grep -qx 'Socket 2 is now WRITABLE' <<<"$output"
}

# server_start COMMAND...: sets `address` to where it listens.
server_start() {
    rm -f "$scratch/server"
    touch "$scratch/server"
    "$@" >>"$scratch/server" 2>&1 &
    server=$!
    address=
    for _ in {1..100}; do
        address=$(sed -nE 's|.*listening on (http://)?([0-9.]+:[0-9]+).*|\2|p' "$scratch/server")
        if [[ -n $address ]]; then return 0; fi
        sleep 0.05
    done
    cat "$scratch/server"
    return 1
}

# server_stop SIGNAL: true if it ends with 0.
server_stop() {
    local status=0

    kill "-$1" "$server"
    wait "$server" || status=$?
    server=
    if ((status != 0)); then echo "it ended with $status"; fi
    return "$status"
}

# echo_serves STYLE REACTOR WORKERS
echo_serves() {
    server_start env ROUSE_REACTOR="$2" "$bin/echo" --style "$1" --listen 127.0.0.1:0 \
        --workers "$3" || return 1
    "$bin/bench_io_load" --mode echo --target "$address" --connections 20 --depth 4 \
        --warmup 0 --duration 0.3 || return 1
    server_stop TERM
}

own_executor_serves() {
    server_start "$bin/own_executor" --listen 127.0.0.1:0 || return 1
    [[ $(curl -sS --max-time 5 "http://$address/") == howdy!* ]] || return 1
    server_stop INT
}

tasks=10000
rounds=100000
rounds_seconds=60
# What a task may cost, in bytes; sanitizers add shadows and larger stacks.
frame_limit=400
fiber_limit=16384
if ((${ROUSE_TEST_SLOWNESS:-1} > 1)); then
    frame_limit=4000
    fiber_limit=200000
fi
if [[ -n ${ROUSE_TEST_FULL:-} ]]; then
    tasks=1000000
    rounds=1000000
    # A round puts eight threads to sleep and wakes them: 18 futex calls and 15 switches of context.
    # On two busy cores that takes 50 us, and the kernel takes nearly all of it.
    rounds_seconds=300
fi
two_executors='Running on first executor
Running on second executor
Future got 1 at time: 1.00.
Future got 2 at time: 3.00.'

claim "howdy says howdy, waits two seconds, and is done" howdy_says
claim "howdy does it $tasks times at once with frames" howdy_many async "$tasks" "$frame_limit"
claim "howdy does it $tasks times at once with fibers" howdy_many fiber "$tasks" "$fiber_limit"
claim "join waits as long as one, then as long as both, and neither allocates" join_then_says
claim "a leaf written by hand is polled twice" socket_read_says
claim "the waker of the last poll is woken" prints two_executors "$two_executors"
claim "no wake is unseen" timeout "$rounds_seconds" "$bin/wake_while_polling" \
    --rounds "$rounds"
claim "the poller tells readiness apart" poller_says
for style in fiber async future; do
    for reactor in epoll poll; do
        for workers in 1 2; do
            claim "echo serves with $style on $reactor, $workers workers" \
                echo_serves "$style" "$reactor" "$workers"
        done
    done
done
if command -v curl >/dev/null; then
    claim "an executor of one's own serves HTTP" own_executor_serves
fi
echo "1..$points"
((failures == 0))
