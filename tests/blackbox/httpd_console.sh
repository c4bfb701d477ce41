#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# httpd's --console, --allow-control and --demo, without a browser: where the console is, who may
# press its buttons, and that whatever they have begun ends with the server.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"
need curl

# press STATUS ACTION: what the console answers to it.
press() {
    local got

    got=$(curl -sS --max-time 10 --noproxy '*' -X POST -H 'X-Rouse-Console: 1' \
        -o "$scratch/answer" -w '%{http_code}' "${console}action/$2")
    echo "$got" "$(cat "$scratch/answer")"
    [[ $got == "$1" ]]
}

# shows PATTERN: a snapshot soon has it.
shows() {
    local i

    for ((i = 0; i < 100; i++)); do
        curl -sS --max-time 10 --noproxy '*' "${console}snapshot?filter=${2:-}" >"$scratch/answer"
        if grep -qE "$1" "$scratch/answer"; then return 0; fi
        sleep 0.1
    done
    cat "$scratch/answer"
    return 1
}

refuses() {  # refuses PATTERN OPTION...: it does not start, and says why
    timeout 10 "$build/bin/httpd" --listen 127.0.0.1:0 "${@:2}" >"$scratch/stdout" \
        2>"$scratch/stderr"
    local status=$?

    cat "$scratch/stderr"
    [[ $status != 0 && $status != 124 ]] && grep -q "$1" "$scratch/stderr"
}

# A blocked worker is told of on standard error, which is no complaint.
ends() {
    kill -TERM "$server_pid"
    server_wait 15
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == 0 ]] && ! grep -qE 'Sanitizer|runtime error|httpd: ' "$scratch/stderr"
}

claim 'it starts without a console' serve
claim 'then /console is a file like any other' status_is 404 /console
claim 'and ends' server_stops

claim 'it starts with a console' serve --console=127.0.0.1:0 --demo
claim '/console leads to it' leads_to_console
claim 'whatever the query' status_is 307 '/console?x'
claim 'its buttons need leave' press 403 leak
claim 'and it ends' server_stops

claim 'it starts with control' serve --console=127.0.0.1:0 --allow-control --demo
claim 'visitors come' shows '"name":"connection"' connection
claim 'leak is taken' press 202 leak
claim 'and its task is lost' shows '"state":"lost"' forgetful
claim 'but once at a time' press 500 leak
claim 'a button that is not there is not' press 404 nothing
claim 'cancel is taken' press 202 cancel
claim 'and its tree stands' shows '"alive":1[0-9]{3},.*"name":"leaf"' leaf
for action in fork-join block reactor sleepers; do
    claim "$action is taken" press 202 "$action"
done
claim 'the sleepers sleep' shows '"alive":1[0-9]{5}'
claim 'the server ends in the midst of all of it' ends

claim 'an address that is none is refused' refuses 'is an address and a port' --console=here
claim 'one that others reach needs leave' refuses 'ROUSE_CONSOLE_REMOTE=1' --console='*:0'
finish
