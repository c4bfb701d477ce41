#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The console of programs that know nothing of it, by curl: ROUSE_CONSOLE in the environment is all
# it takes. What the answers say in detail tests/unit/test_console.c claims.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

if ! command -v curl >/dev/null; then
    echo '1..0 # SKIP needs curl'
    exit 77
fi

check=$build/tests/blackbox_trace_check
url=
watched_pid=

# watches PROGRAM [ARGUMENT...]: starts it with a console, and sets `url` to its address.
watches() {
    local tries=0

    : >"$scratch/log"
    ROUSE_CONSOLE=127.0.0.1:0 "${prefix[@]}" "$bin/$1" "${@:2}" </dev/null >"$scratch/out" \
        2>"$scratch/log" &
    watched_pid=$!
    started[watched]=$watched_pid
    for ((tries = 0; tries < 400; tries++)); do
        url=$(sed -nE 's,^rouse: warn: console: (http://127\.0\.0\.1:[0-9]+)/$,\1,p' "$scratch/log")
        [[ -z $url ]] || return 0
        sleep 0.025
    done
    cat "$scratch/log"
    return 1
}

watched_end() {
    kill -KILL "$watched_pid" 2>/dev/null
    wait "$watched_pid" 2>/dev/null
    unset 'started[watched]'
}

get() {  # get PATH [OPTION...]
    curl -sS --max-time 60 "${@:2}" "$url$1"
}

says() {  # says PATTERN PATH [OPTION...]
    get "${@:2}" >"$scratch/answer" || return
    head -c 4000 "$scratch/answer"
    grep -qE -- "$1" "$scratch/answer"
}

# Until it says so: the program may not have got there yet.
comes_to_say() {  # comes_to_say PATTERN PATH [OPTION...]
    for _ in {1..200}; do
        says "$@" >"$scratch/said" && return 0
        sleep 0.02
    done
    cat "$scratch/said"
    return 1
}

status_is() {  # status_is STATUS PATH [OPTION...]
    local got

    got=$(get "$2" "${@:3}" -o /dev/null -w '%{http_code}')
    echo "$got"
    [[ $got == "$1" ]]
}

is_json() {  # is_json PATH
    get "$1" | python3 -c 'import json, sys; json.load(sys.stdin)'
}

# The first event of a stream, and the start of a second one.
streams() {
    get '/events?period=100' -N --max-time 60 2>/dev/null | head -n 4 >"$scratch/events"
    head -c 2000 "$scratch/events"
    [[ $(sed -n 1p "$scratch/events") == 'event: snapshot' ]] &&
        [[ $(sed -n 4p "$scratch/events") == 'event: snapshot' ]] &&
        sed -n 2p "$scratch/events" | grep -q '^data: {.*}$'
}

downloads() {
    get '/trace?ms=100' -o "$scratch/trace.json" && "$check" --part "$scratch/trace.json"
}

claim 'a program that knows nothing of the console has one' watches hang_lost_wake
claim 'which says in text what is wrong' comes_to_say 'no waker stored anywhere' /
claim 'and in JSON' comes_to_say '"name":"reader".*"state":"lost".*"lints":\["lost waker"\]' \
    /snapshot
if command -v python3 >/dev/null; then
    claim 'that python reads' is_json /snapshot
else
    skip 'that python reads' 'no python3'
fi
claim 'a browser gets a page' says '<!DOCTYPE html>' / -H 'Accept: text/html'
claim 'the snapshots come as a stream' streams
claim 'a trace can be downloaded' downloads
claim 'the metrics are there' says '^rouse_tasks_alive' /metrics
claim 'and the dump' says '^rouse dump: ' /dump
claim 'another name is refused' status_is 421 / -H 'Host: rebound.example'
claim 'and another origin' status_is 403 /snapshot -H 'Origin: http://elsewhere.example'
claim 'and control' status_is 403 /action/none -X POST -H 'X-Rouse-Console: 1'
watched_end

export ROUSE_CONSOLE_CONTROL=1
claim 'two tasks that wait for each other' watches hang_deadlock
claim 'are named' comes_to_say 'deadlock: 2 tasks wait in a circle' /

aborts() {
    local id

    id=$(get '/snapshot?filter=transfer' | sed -nE 's/.*"rows":\[\{"id":"([0-9]+)".*/\1/p')
    says '"name":"audit","why":"it is held by"' "/task/$id" &&
        status_is 202 "/task/$id/abort" -X POST -H 'X-Rouse-Console: 1'
}
claim 'one of them is shown, and aborted' aborts
claim 'and the program ends' wait "$watched_pid"
unset 'started[watched]'
unset ROUSE_CONSOLE_CONTROL

logs() {  # logs ADDRESS PATTERN
    ROUSE_CONSOLE=$1 run howdy >"$scratch/out" 2>"$scratch/log" || return
    cat "$scratch/log"
    grep -qE "$2" "$scratch/log"
}
claim 'an address that others can reach is refused, and the cure is told' logs 0.0.0.0:0 \
    'warn: no console at 0\.0\.0\.0:0, which others can reach: .*ROUSE_CONSOLE_REMOTE=1'
claim 'and one that is none' logs nowhere 'warn: no console at nowhere: '
ROUSE_CONSOLE_REMOTE=1 claim 'unless it is wanted' logs 0.0.0.0:0 \
    'warn: console: http://0\.0\.0\.0:'

echo "1..$points"
((failures == 0))
