#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of cancellation: a connect that races, fetches that end together, and a server that
# drains; each also where it fails.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# --- happy_eyeballs ------------------------------------------------------------------------------

# Sets `got` to what it prints, with its addresses in the place of their numbers, and without times.
race() {
    local status

    "${prefix[@]}" timeout 60 "$bin/happy_eyeballs" "$@" >"$scratch/race" 2>"$scratch/error"
    status=$?
    cat "$scratch/race" "$scratch/error"
    got=$(sed -E 's/^ *[0-9]+ ms +//' "$scratch/race")
    return $status
}

# The families take turns, a failure starts the next at once, and a success ends the rest.
races_as_told() {
    local refused='127.0.0.2:[0-9]+' refused_6='\[::1\]:[0-9]+' local='127.0.0.1:[0-9]+'
    local any='[^'$nl']+' pattern

    race || return
    pattern="^$refused: trying$nl$refused: Connection refused$nl"
    pattern+="$refused_6: trying$nl$refused_6: $any$nl"
    pattern+="($local): trying$nl($local): trying$nl($local): connected$nl($local): cancelled$"
    [[ $got =~ $pattern ]] || return
    [[ ${BASH_REMATCH[2]} == "${BASH_REMATCH[3]}" && ${BASH_REMATCH[1]} == "${BASH_REMATCH[4]}" ]]
}

# The third begins with the first, and the fourth 250 ms after the third: never before.
keeps_its_distance() {
    race || return
    awk '
        / trying$/ { begun[++count] = $1 }
        END { exit !(count == 4 && begun[4] - begun[3] >= 250) }' "$scratch/race"
}

races_without_delay() {
    race --delay 0 || return
    [[ $(grep -c ': connected$' <<<"$got") == 1 ]]
}

gives_up() {
    fails_with 1 race --timeout 50 || return
    [[ $got != *': connected'* && $got == *': cancelled' ]] &&
        grep -qx 'happy_eyeballs: deadline passed' "$scratch/error"
}

connects_to_a_server() {
    race "${address%:*}" "${address#*:}" || return
    [[ $got == "$address: trying$nl$address: connected" ]]
}

is_refused() {
    fails_with 1 race "${address%:*}" "${address#*:}" || return
    grep -qx 'happy_eyeballs: Connection refused' "$scratch/error"
}

finds_no_service() {
    fails_with 1 race 127.0.0.1 there-is-no-such-service || return
    [[ -z $got ]] && grep -qx 'happy_eyeballs: No such file or directory' "$scratch/error"
}

# --- fan_out -------------------------------------------------------------------------------------

one_failure_cancels_the_rest() {
    local got

    got=$(fails_with 1 run fan_out --fail 1 --pace 500 --deadline 60000)
    echo "$got"
    [[ $got =~ ^([0-9]+)\ came,\ ([0-9]+)\ cancelled,\ 1\ failed"$nl"the\ first\ to\ fail\ was\ \
fetch\ 1:\ Protocol\ error ]] || return
    ((BASH_REMATCH[1] + BASH_REMATCH[2] == 99 && BASH_REMATCH[2] > 0))
}

deadline_cancels_the_rest() {
    local got

    got=$(fails_with 1 run fan_out --deadline 50 --pace 500)
    echo "$got"
    [[ $got =~ ^([0-9]+)\ came,\ ([0-9]+)\ cancelled,\ 0\ failed"$nl"deadline\ passed ]] || return
    ((BASH_REMATCH[1] + BASH_REMATCH[2] == 100 && BASH_REMATCH[2] > 0))
}

nothing_comes_in_no_time() {
    local got

    got=$(fails_with 1 run fan_out --deadline 0)
    echo "$got"
    [[ $got == "0 came, 100 cancelled, 0 failed${nl}deadline passed"* ]]
}

# --- draining_server -----------------------------------------------------------------------------

# Opens a connection that is being served; sets `connection`.
connect() {
    local got=

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    printf 'hello' >&"$connection"
    read -r -t 10 -N 5 -u "$connection" got
    [[ $got == hello ]]
}

next_line_is() {
    local line=

    read -r -t 10 -u "$server_output" line
    echo "$line"
    [[ $line == "$1" ]]
}

server_ended() {
    server_wait
    echo "exit status $stopped"
    [[ $stopped == 0 ]]
}

drains_without_connections() {
    kill "-$1" "$server_pid"
    next_line_is draining && next_line_is 'all had finished' && server_ended
}

# While it drains it lets nobody in, and serves those that are there until they go.
lets_connections_finish() {
    local connection got=

    connect || return
    kill "-$1" "$server_pid"
    next_line_is draining || return
    if (exec 3<>"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null; then
        echo 'a new connection was let in'
        return 1
    fi
    printf 'again' >&"$connection"
    read -r -t 10 -N 5 -u "$connection" got
    [[ $got == again ]] || return
    exec {connection}<&-
    next_line_is 'all had finished' && server_ended
}

# Those that are left hear a goodbye.
cuts_off_the_rest() {
    local connection first second

    connect || return
    first=$connection
    connect || return
    second=$connection
    kill "-$1" "$server_pid"
    next_line_is draining && next_line_is 'the grace was over; the rest were cancelled' || return
    [[ $(timeout 10 cat <&"$first") == goodbye && $(timeout 10 cat <&"$second") == goodbye ]] ||
        return
    exec {first}<&- {second}<&-
    server_ended
}

# A peer that reads nothing gets no goodbye, and keeps nobody: the shield has a deadline, too.
ends_in_spite_of_a_peer_that_reads_nothing() {
    local connection writer status

    connect || return
    head -c 64M /dev/zero >&"$connection" &
    writer=$!
    sleep 0.5
    kill -INT "$server_pid"
    next_line_is draining && next_line_is 'the grace was over; the rest were cancelled' &&
        server_ended
    status=$?
    wait "$writer"
    exec {connection}<&-
    ((status == 0)) && grep -qx 'draining_server: no goodbye: deadline passed' "$scratch/stderr"
}

# --- the test points -----------------------------------------------------------------------------

for name in happy_eyeballs fan_out draining_server; do
    claim "$name --help says how to use it" helps "$name"
    claim "$name refuses what it does not know" fails_with 2 run "$name" --nonsense
done
claim 'happy_eyeballs refuses a host without a port' fails_with 2 run happy_eyeballs localhost
claim 'happy_eyeballs refuses a delay that is none' fails_with 2 run happy_eyeballs --delay soon
claim 'fan_out refuses a number that is none' fails_with 2 run fan_out --fail -1
claim 'draining_server refuses a grace that is none' fails_with 2 run draining_server --grace ''
claim 'draining_server says why it cannot listen' fails_with 1 \
    run draining_server --listen 192.0.2.1:7

for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "attempts begin in turn and end with the first success, on $reactor" races_as_told
    claim "an attempt begins 250 ms after the last one, on $reactor" keeps_its_distance
    claim "without a delay there is one connection all the same, on $reactor" races_without_delay
    claim "a race that nobody wins ends at its deadline, on $reactor" gives_up

    claim "a hundred fetches come, on $reactor" \
        prints '100 came, 0 cancelled, 0 failed' run fan_out --deadline 60000
    claim "one that fails cancels the rest, and is named, on $reactor" one_failure_cancels_the_rest
    claim "a deadline cancels the rest, on $reactor" deadline_cancels_the_rest
    claim "with no time nothing comes, on $reactor" nothing_comes_in_no_time

    claim "draining_server listens, on $reactor" server_start draining_server
    claim "happy_eyeballs connects to it by host and port, on $reactor" connects_to_a_server
    claim "it drains when nobody is there, on $reactor" drains_without_connections INT
    claim "then happy_eyeballs is refused, on $reactor" is_refused
    claim "and without a service it says so, on $reactor" finds_no_service
    claim "it listens again, on $reactor" server_start draining_server --grace 60000
    claim "it lets connections finish, on $reactor" lets_connections_finish TERM
    claim "it listens with a short grace, on $reactor" server_start draining_server --grace 200
    claim "it says goodbye when the grace is over, on $reactor" cuts_off_the_rest INT
    claim "it listens once more, on $reactor" server_start draining_server --grace 200
    claim "a peer that reads nothing does not keep it, on $reactor" \
        ends_in_spite_of_a_peer_that_reads_nothing
    unset ROUSE_REACTOR
done

echo "1..$points"
((failures == 0))
