#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# httpd byte by byte: requests that are none, requests in pieces, many in one piece, and bodies; on
# each reactor, with one worker and with two. What is sent is written as printf reads it.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"

site=$scratch/site
mkdir -p "$site/folder"
printf 'Hello, World!' >"$site/hello.txt"
printf 'one\n' >"$site/one"
printf 'two\n' >"$site/two"
printf 'three\n' >"$site/three"
seq -w 1 100000 >"$site/large.txt"
seq -w 1 7000 >"$site/middle.txt"

get='GET /hello.txt HTTP/1.1\r\nHost: a\r\n'
last='Connection: close\r\n\r\n'
filler=$(printf '%0900d' 0)
long=$filler$filler$filler$filler$filler$filler$filler$filler$filler$filler

# --- what is refused -----------------------------------------------------------------------------

refused() {
    local with=$1

    claim "$with: a bare LF is 400" answered 400 'GET / HTTP/1.1\nHost: a\n\n'
    claim "$with: a bare CR is 400" answered 400 'GET / HTTP/1.1\rHost: a\r\r'
    claim "$with: a NUL is 400" answered 400 "${get}X: a\\0b\\r\\n\\r\\n"
    claim "$with: no Host is 400" answered 400 'GET / HTTP/1.1\r\n\r\n'
    claim "$with: two of them are 400" answered 400 "${get}Host: a\\r\\n\\r\\n"
    claim "$with: a Host with a path is 400" answered 400 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'
    claim "$with: a folded line is 400" answered 400 "${get}X: a\\r\\n b\\r\\n\\r\\n"
    claim "$with: a space before the colon is 400" answered 400 "${get}X : a\\r\\n\\r\\n"
    claim "$with: a line without a colon is 400" answered 400 "${get}nonsense\\r\\n\\r\\n"
    claim "$with: two spaces in the first line are 400" answered 400 'GET  / HTTP/1.1\r\n\r\n'
    claim "$with: HTTP/0.9 is 400" answered 400 'GET /\r\n\r\n'
    claim "$with: HTTP/2.0 is 505" answered 505 'GET / HTTP/2.0\r\n\r\n'
    claim "$with: a TLS hello is 400" answered 400 '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'
    claim "$with: CONNECT is 501" answered 501 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n'
    claim "$with: an address of 9000 bytes is 414" answered 414 "GET /$long HTTP/1.1\\r\\n\\r\\n"
    claim "$with: a head of 18000 bytes is 431" answered 431 \
        "${get}X: $long\\r\\nY: $long\\r\\n\\r\\n"
    claim "$with: 200 fields are 431" answered 431 \
        "$get$(for i in {1..200}; do printf 'X: %d\\r\\n' "$i"; done)\\r\\n"
    claim "$with: an expectation of something else is 417" answered 417 \
        "${get}Expect: x\\r\\n\\r\\n"
    claim "$with: two lengths are 400" answered 400 \
        "${get}Content-Length: 3\\r\\nContent-Length: 3\\r\\n\\r\\nabc"
    claim "$with: a signed length is 400" answered 400 "${get}Content-Length: +3\\r\\n\\r\\nabc"
    claim "$with: a length beside a coding is 400" answered 400 \
        "${get}Content-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n"
    claim "$with: a coding we do not have is 501" answered 501 \
        "${get}Transfer-Encoding: gzip, chunked\\r\\n\\r\\n0\\r\\n\\r\\n"
    claim "$with: a chunk of no size is 400" answered 400 \
        "${get}Transfer-Encoding: chunked\\r\\n\\r\\nxyz\\r\\n"
    claim "$with: a body that is too large is 413" answered 413 \
        "${get}Content-Length: 99999999\\r\\n\\r\\nabc"
    claim "$with: so is one that turns out to be" answered 413 \
        "${get}Transfer-Encoding: chunked\\r\\n\\r\\nfffffff\\r\\nabc"
}

# --- what is answered ----------------------------------------------------------------------------

# order_is WORDS TEXT...: the bodies that come back, which are words, in this order.
order_is() {
    local expected=$1 got

    shift
    got=$(say "$@" | tr -d '\r' | grep -xE 'one|two|three' | tr '\n' ' ')
    echo "$got"
    [[ $got == "$expected " ]]
}

# statuses_are STATUSES TEXT...
statuses_are() {
    local expected=$1 got

    shift
    got=$(say "$@" | grep -aoE 'HTTP/1.1 [0-9]{3} ' | cut -d ' ' -f 2 | tr '\n' ' ')
    echo "$got"
    [[ $got == "$expected " ]]
}

request() {  # request PATH [FIELD...]
    local field text="GET $1 HTTP/1.1\\r\\nHost: a\\r\\n"

    for field in "${@:2}"; do
        text+="$field\\r\\n"
    done
    printf '%s\\r\\n' "$text"
}

# A large file between two small ones: neither early nor late.
large_keeps_its_place() {
    say "$(request /one)$(request "/$1")$(request /two 'Connection: close')" >"$scratch/got"
    {
        cat "$site/one" "$site/$1" "$site/two"
    } >"$scratch/expected"
    tr -d '\r' <"$scratch/got" | grep -aE '^([0-9]+|one|two)$' >"$scratch/bodies"
    cmp "$scratch/expected" "$scratch/bodies"
}

# More answers than all buffers hold, for a peer that begins to read late: sent in parts, and whole.
late_reader_loses_nothing() {
    local count=40000 connection writer got status

    {
        yes 'GET /hello.txt HTTP/1.1'$'\r\n''Host: a'$'\r\n\r' | head -n $((3 * count - 3))
        printf 'GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    } >"$scratch/requests"
    exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
    timeout 30 cat "$scratch/requests" >&"$connection" &
    writer=$!
    sleep 0.4
    timeout 30 cat <&"$connection" >"$scratch/replies"
    wait "$writer"
    status=$?
    exec {connection}>&-
    got=$(grep -ao 'Hello, World!' "$scratch/replies" | wc -l)
    echo "$got of $count answers; writing ended with $status"
    ((got == count && status == 0))
}

# Many errors are followed by input that nobody reads: the answer must not be lost by a reset.
answer_survives_unread_input() {
    local i

    for i in {1..20}; do
        answered 400 "nonsense\\r\\n$long$long$long$long$long" || return
    done
}

answers() {
    local with=$1

    claim "$with: pipelined requests are answered in order" order_is 'one two three one' \
        "$(request /one)$(request /two)$(request /three)$(request /one 'Connection: close')"
    claim "$with: whatever they are" statuses_are '200 404 304 206 405 301 200 200' \
        "$(request /one)$(request /nowhere)$(request /one 'If-None-Match: *')$(
        )$(request /one 'Range: bytes=0-0')DELETE /one HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n$(
        )$(request /folder)$(request /healthz)$(request /one 'Connection: close')"
    claim "$with: a bad one is the last" statuses_are '200 400' \
        "$(request /one)nonsense\\r\\n\\r\\n$(request /two)"
    claim "$with: what follows a close is not answered" statuses_are '200' \
        "$(request /one 'Connection: close')$(request /two)"
    claim "$with: a file from memory keeps its place" large_keeps_its_place middle.txt
    claim "$with: a file from the disk keeps its place" large_keeps_its_place large.txt
    claim "$with: a request may come in pieces" order_is 'one two' 'G' 'ET /o' 'ne HTTP/1.1' \
        '\r' '\n' 'Host: a' '\r\n\r' "\\n$(request /two)GET /t" 'hree HTTP/1.0\r\nHost' ': a/\r\n'
    claim "$with: bodies are skipped in pieces" order_is 'one two three' \
        "$(request /one 'Content-Length: 5')1" "2345$(request /two 'Transfer-Encoding: chunked')" \
        '3;a=b\r\nabc\r' "\\n0\\r\\nTrailer: x\\r\\n\\r\\n$(request /three 'Connection: close')"
    claim "$with: 100 Continue comes first" statuses_are '100 200' \
        "$(request /one 'Expect: 100-continue' 'Content-Length: 3' 'Connection: close')" 'abc'
    claim "$with: but not when the body has come" statuses_are '200' \
        "$(request /one 'Expect: 100-continue' 'Content-Length: 3' 'Connection: close')abc"
    claim "$with: an absolute address is understood" statuses_are '200' \
        "$(request http://a/one 'Connection: close')"
    claim "$with: OPTIONS * is answered" statuses_are '204' \
        "OPTIONS * HTTP/1.1\\r\\nHost: a\\r\\n$last"
    claim "$with: HTTP/1.0 ends with its answer" statuses_are '200' \
        'GET /one HTTP/1.0\r\n\r\nGET /two HTTP/1.0\r\n\r\n'
    claim "$with: a late reader loses nothing" late_reader_loses_nothing
    claim "$with: an answer survives input that is not read" answer_survives_unread_input
}

# The inputs that a fuzzer begins with, all at once: each is answered or closed.
corpus_is_answered() {
    local file pids=() pid failed=0

    for file in "$tree"/tests/fuzz/corpus/http_request/*; do
        (
            exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
            cat "$file" >&3
            timeout 10 cat <&3 >/dev/null
        ) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=$((failed + 1))
    done
    echo "$failed of ${#pids[@]} failed"
    ((failed == 0 && ${#pids[@]} > 0)) && answered 200 "$get$last"
}

for reactor in epoll poll; do
    for workers in 1 2; do
        claim "$reactor, $workers: the server starts" server_start --root "$site" \
            --reactor "$reactor" --workers "$workers" --request-timeout 4 --idle-timeout 3.5
        before=$(settled_counts)
        refused "$reactor, $workers"
        answers "$reactor, $workers"
        claim "$reactor, $workers: it answers or closes whatever a fuzzer begins with" \
            corpus_is_answered
        claim "$reactor, $workers: nothing is left over" returns_to "$before"
        claim "$reactor, $workers: it ends in order" server_stops
    done
done
finish
