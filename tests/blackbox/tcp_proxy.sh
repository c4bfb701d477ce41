#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What tcp_proxy carries: both streams to their ends, resets as resets, much both ways at once, no
# more than the receiver takes; and what it holds when all of that is over. On each reactor, with
# one worker and with two.
set -uo pipefail
# shellcheck source=tests/blackbox/tcp_proxy.bash
source "$(dirname "$0")/tcp_proxy.bash"

# The most memory that the proxy has had, in KiB.
peak() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$server_pid/status"
}

# Tens of megabytes wait in sockets, and none of them in the proxy.
holds_no_stream_in_memory() {
    scene slow_reader || return
    echo "it has had $(peak) KiB"
    $sanitized || (($(peak) < 32768))
}

descriptors() {
    find "/proc/$server_pid/fd" -mindepth 1 | wc -l
}

# But for the pipes that each worker keeps, 16 of two descriptors.
keeps_few_descriptors() {  # keeps_few_descriptors BEFORE WORKERS
    echo "before: $1, now: $(descriptors)"
    (($(descriptors) <= $1 + $2 * 32))
}

# A line for the first scene: from, to, bytes there and back, seconds, how it ended.
log_tells_of_echo() {
    local i

    for ((i = 0; i < 100; i++)); do
        if [[ -s $scratch/log ]]; then break; fi
        sleep 0.05
    done
    cat "$scratch/log"
    grep -qE "^[0-9-]+T[0-9:]+Z 127.0.0.1:[0-9]+ 127.0.0.1:$upstream 8 6 [0-9]+\.[0-9]{3} " \
        "$scratch/log"
}

carries() {  # carries REACTOR WORKERS
    local with="$1, $2" counts before

    rm -f "$scratch/log"
    claim "$with: the proxy starts" proxy_start --reactor "$1" --workers "$2" \
        --log "$scratch/log"
    counts=$(settled_counts)
    before=$(descriptors)
    claim "$with: a question and its answer" scene echo
    claim "$with: the log tells of it" log_tells_of_echo
    claim "$with: the end of each stream is passed on, and the other goes on" scene half_close
    claim "$with: a reset is passed on" scene resets
    claim "$with: a peer that leaves without reading resets the other" scene vanishing
    claim "$with: an upstream that is late gets all" scene late
    claim "$with: much goes both ways at once" scene bulk
    claim "$with: a slow reader holds up the sender" holds_no_stream_in_memory
    claim "$with: so do many" scene many_slow_readers
    claim "$with: nothing is left of connections that ended" returns_to "$counts"
    claim "$with: nor of descriptors" keeps_few_descriptors "$before" "$2"
    claim "$with: it ends in order" server_stops
}

carries epoll 2
carries poll 1

# Through the proxy as without it.
if command -v curl >/dev/null && [[ -x $build/bin/httpd ]]; then
    head -c 3000000 /dev/urandom >"$scratch/file"
    "${prefix[@]}" "$build/bin/httpd" --listen 127.0.0.1:0 --root "$scratch" --workers 1 \
        >"$scratch/httpd" 2>&1 &
    others+=($!)
    for _ in {1..400}; do
        upstream=$(sed -n 's|^listening on http://127.0.0.1:\([0-9]*\)/$|\1|p' "$scratch/httpd")
        [[ -z $upstream ]] || break
        sleep 0.025
    done
    claim 'the proxy starts in front of httpd' server_start --to "localhost:$upstream" --workers 2
    curl_gets_the_file() {
        local i

        for i in 1 2 3; do
            curl -sS --max-time 20 --noproxy '*' "http://$address/file" | cmp - "$scratch/file" ||
                return
        done
    }
    claim 'curl gets a file of httpd through it' curl_gets_the_file
    claim 'it ends in order, too' server_stops
else
    skip 'curl gets a file of httpd through it' 'curl or httpd is missing'
fi
finish
