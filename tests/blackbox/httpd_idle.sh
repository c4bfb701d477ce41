#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Ten thousand connections that have had one answer and wait: what they cost, and that they are
# still served. Fewer where the limit of open files or a sanitizer says so.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"

if [[ ! -x $build/bin/bench_io_load ]]; then
    echo '1..0 # SKIP the load generator is not built'
    exit 77
fi
ulimit -n "$(ulimit -Hn)"
limit=$(ulimit -n)
count=10000
if $sanitized; then count=400; fi
if [[ $limit != unlimited ]] && ((limit < count + 1000)); then count=$((limit - 1000)); fi
if ((count < 100)); then
    echo "1..0 # SKIP a limit of $limit open files"
    exit 77
fi
bytes_max=6144  # for a connection: a page of its stack, its task and its socket

member() {  # member NAME: of the line the load generator printed
    sed -n "s/.*\"$1\": \([0-9.-]*\).*/\1/p" "$scratch/line"
}

# Holds them, and asks for a file in between.
are_held() {
    local pid status

    "${prefix[@]}" timeout 100 "$build/bin/bench_io_load" --mode idle --target "$address" \
        --path /hello.txt --connections "$count" --hold 1.5 --server-pid "$server_pid" \
        >"$scratch/line" 2>&1 &
    pid=$!
    sleep 1
    answered 200 'GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    status=$?
    wait "$pid" || status=1
    cat "$scratch/line"
    ((status == 0)) && [[ $(member connections) == "$count" && $(member errors) == 0 ]]
}

are_small() {
    local bytes

    bytes=$(member rss_bytes_per_connection)
    echo "$bytes bytes"
    ((${bytes%.*} <= bytes_max))
}

cost_no_time() {
    local us

    us=$(member server_cpu_us_while_idle)
    echo "$us us in $(member hold_seconds) s"
    ((${us%.*} < 100000))
}

site=$scratch/site
mkdir -p "$site"
printf 'Hello, World!' >"$site/hello.txt"
# The tag of a file that has just changed is weak, and strong a little later: replies would differ.
touch -d '1 hour ago' "$site/hello.txt"

for reactor in epoll poll; do
    for workers in 1 2; do
        if [[ $reactor == poll ]]; then count=$((count < 2000 ? count : 2000)); fi
        with="$reactor, $workers"
        claim "$with: the server starts" server_start --root "$site" --reactor "$reactor" \
            --workers "$workers"
        before=$(settled_counts)
        claim "$with: $count idle connections are held" are_held
        echo "# $(member rss_bytes_per_connection) bytes of memory for each"
        if $sanitized; then
            skip "$with: each takes little memory" 'not with a sanitizer'
        else
            claim "$with: each takes at most $bytes_max bytes" are_small
        fi
        # poll(2) looks at each of them whenever anything happens.
        if ! $sanitized && [[ $reactor == epoll ]]; then
            claim "$with: they cost no time" cost_no_time
        fi
        claim "$with: nothing is left over" returns_to "$before"
        claim "$with: it ends in order" server_stops
    done
done
finish
