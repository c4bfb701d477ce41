#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What tcp_proxy does about upstreams that do not answer, about too many connections and
# descriptors, and about connections on which nothing moves. And its command line.
set -uo pipefail
# shellcheck source=tests/blackbox/tcp_proxy.bash
source "$(dirname "$0")/tcp_proxy.bash"

says() {  # says TEXT: on standard error, once
    cat "$scratch/stderr"
    (($(grep -cF "$1" "$scratch/stderr") == 1))
}

# The proxy may say what it has met.
stops() {
    kill -TERM "$server_pid"
    server_wait 15
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == 0 ]] && ! grep -qE 'Sanitizer|runtime error' "$scratch/stderr"
}

# --- upstreams -----------------------------------------------------------------------------------

claim 'the proxy starts' proxy_start --workers 1
claim 'where no upstream answers the client is reset' scene unanswered
claim 'again' scene unanswered
claim 'it says so once' says "no answer from 127.0.0.1:$upstream"
claim 'when the upstream is there it is found' scene echo
claim 'and it says so' says "127.0.0.1:$upstream answers again"
claim 'it ends in order' stops

nobody=$("${prefix[@]}" "$peer" port)
claim 'the proxy starts with two upstreams, one of which is not there' proxy_start --workers 2 \
    --to "127.0.0.1:$nobody"
each_connection_is_served() {
    local i

    for i in 1 2 3 4; do scene echo || return; done
}
claim 'each connection gets to the other one' each_connection_is_served
claim 'it says so once' says "no answer from 127.0.0.1:$nobody"
claim 'it ends in order' stops

# 192.0.2.0/24 is for documents: no route, or no answer; either way not ours.
claim 'the proxy starts in front of silence' server_start --workers 1 --to 192.0.2.1:9 \
    --connect-timeout 0.2
claim 'an upstream that is silent is given up' scene unanswered
claim 'it ends in order' stops

# --- limits --------------------------------------------------------------------------------------

claim 'the proxy starts with a limit of four connections' proxy_start --workers 2 \
    --max-connections 4
claim 'the fifth is reset, and has a place later' scene limit
claim 'it says so once' says 'there are 4 connections'
claim 'it ends in order' stops

# 48 descriptors are enough for 12 connections, and not for a pipe for each of them.
few_descriptors() {
    local usual=("${prefix[@]}")

    # shellcheck disable=SC2016
    prefix=(bash -c 'ulimit -n 48 && exec "$@"' - "${usual[@]}")
    proxy_start --workers 1
    local status=$?

    prefix=("${usual[@]}")
    return "$status"
}
claim 'the proxy starts with few descriptors' few_descriptors
claim 'many connections are carried without a pipe for each' scene many_slow_readers
claim 'and again' scene many_slow_readers
claim 'it ends in order' server_stops

claim 'the proxy starts with a short time for idle connections' proxy_start --workers 1 \
    --idle-timeout 0.3 --log "$scratch/log"
claim 'a connection on which nothing moves is reset' scene idle
claim 'it ends in order' server_stops
claim 'and the log tells why' grep -qE ' 6 0 [0-9.]+ idle$' "$scratch/log"

# --- the command line ----------------------------------------------------------------------------

refuses() {  # refuses TEXT OPTION...
    local text=$1

    shift
    timeout 10 "${prefix[@]}" "$build/bin/tcp_proxy" "$@" >"$scratch/stdout" 2>"$scratch/stderr"
    local status=$?

    echo "exit status $status"
    cat "$scratch/stderr"
    ((status == 2)) && grep -qF -e "$text" "$scratch/stderr"
}
prints() {  # prints TEXT OPTION
    timeout 10 "${prefix[@]}" "$build/bin/tcp_proxy" "$2" | grep -qF -e "$1"
}
claim 'without an upstream it says how to name one' refuses 'name one by --to'
claim 'an upstream has a port' refuses '--to is a host and a port' --to localhost
claim 'an argument that is no option is refused' refuses 'an upstream is named by --to' host:80
claim 'a time is a number' refuses '--idle-timeout is a number' --to a:1 --idle-timeout x
claim '--help names the options' prints '--connect-timeout S' --help
claim '--version names the version' prints 'tcp_proxy of rouse' --version
is_not_found() {
    timeout 20 "${prefix[@]}" "$build/bin/tcp_proxy" --to name.invalid:80 2>"$scratch/stderr"
    local status=$?

    cat "$scratch/stderr"
    ((status == 1)) && grep -qF 'cannot find name.invalid:80' "$scratch/stderr"
}
claim 'a name that cannot be found is named' is_not_found
finish
