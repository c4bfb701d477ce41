#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The servers and the load generator of bench/io, from outside: each server is started on a port of
# its own choice, asked by curl or byte by byte, and loaded for a moment. It is not about speed.
# Prints TAP. The programs are those of ROUSE_BUILD_DIR; without them, the raw ones are compiled
# here. Every wait has a limit, and what was started is ended by its process id.
set -uo pipefail
export LC_ALL=C

tree=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
build=${ROUSE_BUILD_DIR:-$tree/build}
points=0
failures=0
server_pid=
server_output=
address=

server_stop() {  # sets `stopped` to the server's exit status
    stopped=none
    [[ -n $server_pid ]] || return 0
    kill -TERM "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    stopped=$?
    server_pid=
    exec {server_output}<&-
}

trap 'server_stop; rm -rf "$scratch"' EXIT
trap : PIPE  # a server that closes fails a test, not the script
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- reporting -----------------------------------------------------------------------------------

# claim TEXT COMMAND...: one test point; the command's output is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

skip() {
    points=$((points + 1))
    echo "ok $points - $1 # SKIP $2"
}

# --- the programs --------------------------------------------------------------------------------

compile() {
    local name

    mkdir -p "$scratch/bin"
    for name in epoll_http epoll_echo uring_http uring_echo load histogram_test; do
        "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O1 -o "$scratch/bin/bench_io_$name" \
            "$tree/bench/io/$name.c" "$tree/bench/io/common.c" || return
    done
}

if [[ ! -x $build/bin/bench_io_load ]]; then
    if ! command -v "${CC:-cc}" >/dev/null; then
        echo '1..0 # SKIP neither built programs nor a compiler'
        exit 77
    fi
    compile || exit 1
    build=$scratch
fi

# ThreadSanitizer does not start on a memory layout that is too random.
prefix=()
if setarch -R true 2>/dev/null; then prefix=(setarch -R); fi
load=("${prefix[@]}" timeout 60 "$build/bin/bench_io_load")

# server_start PROGRAM OPTION...: sets server_pid and address.
server_start() {
    local line=

    exec {server_output}< <(exec "${prefix[@]}" "$build/bin/$1" "${@:2}")
    server_pid=$!
    read -r -t 20 -u "$server_output" line
    echo "$line"
    address=${line#listening on }
    [[ $line =~ ^listening\ on\ 127\.0\.0\.1:[1-9][0-9]*$ ]]
}

# say TEXT...: sends each text, as printf writes it, some time after the one before, and prints
# what comes back until the server closes the connection.
say() {
    local connection text

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    for text in "$@"; do
        # By way of a file: printf itself writes line by line.
        # shellcheck disable=SC2059
        printf "$text" >"$scratch/text"
        cat "$scratch/text" >&"$connection"
        sleep 0.1
    done
    timeout 10 cat <&"$connection"
    exec {connection}<&-
}

# --- checks --------------------------------------------------------------------------------------

fails_with() {
    local expected=$1 status

    shift
    "$@"
    status=$?
    echo "exit status $status"
    ((status == expected))
}

body_is_right() {
    [[ $(curl -sS --max-time 10 "http://$address/some/path") == 'Hello, World!' ]]
}

headers_are_right() {
    local head name

    head=$(curl -sS --max-time 10 -D - -o "$scratch/body" "http://$address/") && echo "$head"
    [[ $head == 'HTTP/1.1 200 OK'$'\r'* ]] || return
    for name in 'Content-Length: 13' Content-Type Server 'Date: ...,'; do
        grep -q "^$name" <<<"$head" || return
    done
}

# replies COUNT TEXT...: what is said is answered by so many right replies.
replies() {
    local expected=$1 got

    shift
    got=$(say "$@") && echo "$got"
    # A reply has no line break at its end, so the next one begins on the same line.
    ((expected == $(grep -o '^HTTP/1.1 200\|Hello, World!HTTP/1.1 200' <<<"$got" | wc -l))) &&
        ((expected == $(grep -o 'Hello, World!' <<<"$got" | wc -l)))
}

refused() {
    local status=$1

    shift
    say "$@" | tee /dev/stderr | grep -q "^HTTP/1.1 $status "
}

# A request comes in pieces, with other connections served in between.
pieces_keep_apart() {
    local connection got

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    printf 'GET /a/path/of/its/own HT' >&"$connection"
    sleep 0.1
    replies 2 "$get$last" || return
    printf 'TP/1.1\r\nConnection: close\r\n\r\n' >&"$connection"
    got=$(timeout 10 cat <&"$connection")
    exec {connection}<&-
    echo "$got"
    [[ $got == 'HTTP/1.1 200 OK'*'Hello, World!' ]]
}

# More requests than the buffers of both sides hold replies for, from a peer that starts to read
# late: the server must stop reading, send in parts and lose nothing.
late_reader_loses_nothing() {
    local count=120000 connection writer got

    {
        yes 'GET / HTTP/1.1'$'\r\n\r' | head -n $((2 * count - 2))
        printf 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'
    } >"$scratch/requests"
    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    timeout 20 cat "$scratch/requests" >&"$connection" &
    writer=$!
    sleep 0.5
    timeout 20 cat <&"$connection" >"$scratch/replies"
    wait "$writer" || return
    exec {connection}<&-
    # Six lines a reply, and the body of one stands on the first line of the next.
    got=$(grep -c 'Hello, World!' "$scratch/replies")
    echo "$got of $count replies"
    ((got == count)) && [[ $(wc -l <"$scratch/replies") == $((6 * count)) ]] &&
        sed 's/Date: .*/Date/; s/^Hello, World!//' "$scratch/replies" | sort -u >"$scratch/lines" &&
        [[ $(wc -l <"$scratch/lines") == 6 ]]
}

# The server closes without a reply, maybe while we still send.
cut_off() {
    local got status

    got=$(say "$@")
    status=$?
    echo "exit status $status, got '$got'"
    [[ -z $got ]] && ((status != 124))
}

echoes_bytes() {
    local connection got

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    printf 'one two' >&"$connection"
    read -r -t 10 -N 7 -u "$connection" got
    exec {connection}<&-
    echo "$got"
    [[ $got == 'one two' ]]
}

# loads OPTION...: a short load ends with 0, without errors and with some requests answered.
loads() {
    local line

    line=$("${load[@]}" --target "$address" --server-pid "$server_pid" --warmup 0.1 \
        --duration "$duration" --hold "$duration" "$@") || return
    echo "$line"
    [[ $line == '{'*'"errors": 0}' && $line != *'"requests": 0,'* ]]
}

notices_a_server_that_ends() {
    local status

    "${load[@]}" --mode echo --target "$address" --connections 4 --duration 20 &
    sleep 0.4
    server_stop
    wait $!
    status=$?
    echo "exit status $status, of the server $stopped"
    ((status == 1))
}

stops_with_success() {
    server_stop
    echo "exit status $stopped"
    [[ $stopped == 0 ]]
}

# compare OPTION... SERVER...: a moment of each, on the first core that we may use.
compare() {
    local core

    core=$(taskset -pc $$ | sed 's/.*: *\([0-9]*\).*/\1/')
    "$tree/bench/io/compare.sh" -l "$build/bin/bench_io_load" -o "$scratch/results" -t 0.1 -w 0 \
        -c 4 -S "$core" -L "$core" "$@" >"$scratch/table" 2>"$scratch/errors"
}

# results COUNT PATTERN: so many results fit.
results() {
    cat "$scratch/errors" "$scratch/results"
    [[ $(grep -cE "$2" "$scratch/results") == "$1" ]]
}

table_says() {
    cat "$scratch/table"
    grep -qE "$1" "$scratch/table"
}

# --- the test points -----------------------------------------------------------------------------

duration=0.3
get='GET / HTTP/1.1\r\nHost: a\r\n\r\n'
last='GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
long=$(printf 'X-Filler: %01000d\\r\\n' 0)

claim 'the histogram keeps its promises' "${prefix[@]}" "$build/bin/bench_io_histogram_test"
for name in epoll_http epoll_echo uring_http uring_echo load; do
    claim "$name --help says how to use it" "$build/bin/bench_io_$name" --help
done
claim 'a server refuses an address outside loopback' \
    fails_with 2 timeout 10 "$build/bin/bench_io_epoll_http" --listen 0.0.0.0:0
claim 'the load generator refuses a target outside loopback' \
    fails_with 2 "${load[@]}" --mode echo --target 192.0.2.1:80

claim 'epoll_http chooses a port and prints it' server_start bench_io_epoll_http --seconds 100
if command -v curl >/dev/null; then
    claim 'curl gets the 13 bytes' body_is_right
    claim 'all four headers are there' headers_are_right
else
    skip 'curl gets the 13 bytes' 'needs curl'
    skip 'all four headers are there' 'needs curl'
fi
claim 'a pipelined batch gets all its replies' replies 3 "$get$get$last"
claim 'a request may come in pieces' replies 2 "${get}GET / HT" 'TP/1.1\r\nHo' \
    'st: a\r' '\nConnection: close\r\n\r' '\n'
claim 'pieces keep apart from other connections' pieces_keep_apart
claim 'a peer that reads late loses no reply' late_reader_loses_nothing
claim 'an HTTP/1.0 request is the last' replies 1 "GET / HTTP/1.0\r\n\r\n$get"
claim 'a request with a body is refused' refused 501 \
    'GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc'
claim 'a POST is refused' refused 405 'POST / HTTP/1.1\r\n\r\n'
claim 'a header without a colon is refused' refused 400 'GET / HTTP/1.1\r\nnonsense\r\n\r\n'
claim 'a request without an end is cut off' cut_off 'GET / HTTP/1.1\r\n' \
    "$long$long$long$long$long$long$long$long$long" "$long$long$long$long$long$long$long$long$long"
claim 'http load at depth 1 has no errors' loads --mode http --connections 16
claim 'http load at depth 16 has no errors' loads --mode http --connections 16 --depth 16
claim 'http load deeper than a read has no errors' loads --mode http --connections 2 --depth 1024
claim 'connecting for each request has no errors' loads --mode churn --connections 4
claim 'idle connections stay open' loads --mode idle --connections 200
claim 'a wrong reply fails the load' fails_with 1 "${load[@]}" --mode echo --target "$address"
claim 'epoll_http ends with success at SIGTERM' stops_with_success

if [[ -x $build/bin/own_executor ]]; then
    claim 'a server starts that closes after each reply' \
        server_start own_executor --listen 127.0.0.1:0
    claim 'which is no error where each request has its connection' \
        loads --mode churn --connections 200
    claim 'but one where it was to stay' fails_with 1 "${load[@]}" --mode http --target "$address"
    claim 'that server ends with success, too' stops_with_success
else
    for text in 'a server starts that closes after each reply' \
        'which is no error where each request has its connection' \
        'but one where it was to stay' 'that server ends with success, too'; do
        skip "$text" 'needs the example own_executor'
    done
fi

claim 'epoll_echo chooses a port and prints it' server_start bench_io_epoll_echo --seconds 100
claim 'what is sent comes back' echoes_bytes
claim 'echo load at depth 1 has no errors' loads --mode echo --connections 16
claim 'echo load of one byte has no errors' loads --mode echo --bytes 1 --depth 16
claim 'echo load beyond all socket buffers has no errors' \
    loads --mode echo --connections 3 --bytes 65536 --depth 128
claim 'connecting for each message has no errors' \
    loads --mode churn --protocol echo --connections 4
claim 'idle echo connections stay open' loads --mode idle --protocol echo --connections 200
claim 'the load generator notices a server that ends' notices_a_server_that_ends
claim 'the load generator notices that nobody listens' fails_with 1 \
    "${load[@]}" --mode echo --target "$address"

# The kernel may not have io_uring, or keep it from us.
duration=0.1
if server_start bench_io_uring_http --seconds 100 >"$scratch/start" 2>&1; then
    claim 'uring_http answers a pipelined batch' replies 3 "$get$get$last"
    claim 'uring_http takes a request in pieces' replies 2 "${get}GET / HT" 'TP/1.1\r\nHo' \
        'st: a\r' '\nConnection: close\r\n\r' '\n'
    claim 'uring_http refuses a body' refused 501 \
        'GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc'
    claim 'uring_http cuts off a request without an end' cut_off 'GET / HTTP/1.1\r\n' \
        "$long$long$long$long$long$long$long$long$long" \
        "$long$long$long$long$long$long$long$long$long"
    claim 'uring_http loses nothing to a peer that reads late' late_reader_loses_nothing
    claim 'uring_http at depth 16 has no errors' loads --mode http --connections 16 --depth 16
    claim 'uring_http ends with success at SIGTERM' stops_with_success
    claim 'uring_echo chooses a port and prints it' server_start bench_io_uring_echo --seconds 100
    claim 'uring_echo at depth 1 has no errors' loads --mode echo --connections 16
    claim 'uring_echo beyond all its buffers has no errors' \
        loads --mode echo --connections 3 --bytes 65536 --depth 128
    claim 'uring_echo with connections that come and go has no errors' \
        loads --mode churn --protocol echo --connections 4
    claim 'uring_echo keeps idle connections' loads --mode idle --protocol echo --connections 200
    claim 'uring_echo ends with success at SIGTERM' stops_with_success
else
    server_stop
    skip 'the servers on io_uring' "$(tail -n 1 "$scratch/start")"
fi

if [[ -x $build/bin/bench_io_rouse_echo ]]; then
    claim 'rouse_echo --help says how to use it' "$build/bin/bench_io_rouse_echo" --help
    claim 'rouse_echo refuses an address outside loopback' \
        fails_with 2 timeout 10 "$build/bin/bench_io_rouse_echo" --listen 0.0.0.0:0
    for style in fiber future; do
        claim "rouse_echo chooses a port and prints it, $style" \
            server_start bench_io_rouse_echo --style "$style" --workers 2 --busy-ms 1
        claim "beside a computation, rouse_echo at depth 4 has no errors, $style" \
            loads --mode echo --connections 16 --depth 4
        claim "rouse_echo with connections that come and go has no errors, $style" \
            loads --mode churn --protocol echo --connections 4
        claim "rouse_echo ends with success at SIGTERM, $style" stops_with_success
    done
else
    skip 'rouse_echo' 'needs the build'
fi

if command -v taskset >/dev/null; then
    http=$build/bin/bench_io_epoll_http
    claim 'compare.sh measures two servers' compare -r 2 -d '1 2' "$http" "mine/a/b=$http"
    claim 'at each depth of each round' results 8 '"bench":"http".*"req_per_s":[1-9].*"round":[12]'
    claim 'by the names that they were given' results 4 '"impl":"mine","style":"a","reactor":"b"'
    claim 'or by a letter' results 4 '"impl":"A","style":"-","reactor":"-"'
    claim 'and prints ratios to the last one' table_says '^  A .* [0-9.]+ \([0-9.]+ to [0-9.]+\)'
    claim 'a server that does not start is left out' \
        compare -r 1 -d 1 "epoll=$http" "gone=$http --no-such-option"
    claim 'which is said' grep -q 'without gone: .*no-such-option' "$scratch/errors"
    claim 'and the others are measured' results 1 '"impl":"epoll"'
    claim 'without any, there is nothing to compare' \
        fails_with 1 compare -r 1 "gone=$http --no-such-option"
    claim 'idle connections are measured by memory' \
        compare -m idle -P http -r 1 "rouse/future=$http"
    claim 'in bytes for each' results 1 '"connections":4,"depth":1,.*"bytes_per_conn":'
    claim 'and have a goal' table_says 'rouse/future .*<= 300, (met|missed)$'
    claim 'the table can be had again, as Markdown' \
        grep -q '^| .idle 4. | rouse/future |' <("$tree/bench/io/compare.sh" --markdown \
        -o "$scratch/results")
else
    skip 'compare.sh' 'needs taskset'
fi

echo "1..$points"
((failures == 0))
