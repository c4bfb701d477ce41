#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The chat server: lines reach all others, a client that lags is told how many lines it has missed,
# one that takes nothing is dropped, and a signal ends the chat when what had been said is heard.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# join NUMBER: opens a connection as that client; sets `client`.
join() {
    exec {client}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    hears "$client" "* you are <$1>"
}

# hears CLIENT LINE: that is what it hears next, but for who came or left.
hears() {
    local line=

    while IFS= read -r -t 20 -u "$1" line; do
        echo "$line"
        [[ $line == "$2" ]] && return
        [[ $line =~ ^\*\ \<[0-9]+\>\ (came|left)$ ]] || return
    done
    return 1
}

server_says() {
    local line=

    read -r -t 20 -u "$server_output" line
    echo "$line"
    [[ $line == "$1" ]]
}

ends() {
    kill "-$1" "$server_pid"
    server_says draining && server_says "$2" || return
    server_wait
    echo "exit status $stopped"
    [[ $stopped == 0 ]]
}

# The end of a stream, with nothing before it.
is_over() {
    local rest

    rest=$(timeout 20 cat <&"$1") && [[ -z $rest ]]
}

talk_among_themselves() {
    local client first second third long

    join 1 && first=$client && join 2 && second=$client && join 3 && third=$client || return
    hears "$first" '* <2> came' && hears "$first" '* <3> came' || return
    printf 'hel' >&"$second"
    printf 'lo\nand' >&"$second"
    hears "$first" '<2> hello' && hears "$third" '<2> hello' || return
    printf ' goodbye\n\n' >&"$second"
    hears "$first" '<2> and goodbye' && hears "$first" '<2> ' || return
    printf -v long '%0500d' 7
    printf '%s\n' "$long" >&"$third"
    hears "$first" "<3> ${long:0:480}" && hears "$first" "<3> ${long:480}" || return
    exec {second}<&-
    hears "$first" '* <2> left' || return
    ends "$1" 'all have gone' &&
        hears "$first" '* the chat is over' && is_over "$first" || return
    exec {first}<&- {third}<&-
}

# Says many lines, and a last one, as the client $1; returns when the client $2 has heard that.
flood() {
    local watch

    timeout 60 grep -m 1 -x '<2> last' <&"$2" &
    watch=$!
    yes "$(printf '%0400d' 7)" | head -n 40000 >&"$1"
    printf 'last\n' >&"$1"
    wait "$watch"
}

# One client speaks, one reads all the time, and one only after the last line: what it gets and
# what it is told it has missed is everything that was said.
tells_how_many_were_missed() {
    local client slow speaker reader watch

    join 1 && slow=$client && join 2 && speaker=$client && join 3 && reader=$client || return
    flood "$speaker" "$reader" || return
    timeout 60 cat <&"$slow" >"$scratch/slow" &
    watch=$!
    kill "-$1" "$server_pid"
    server_says draining || return
    wait "$watch" || return
    exec {slow}<&- {speaker}<&- {reader}<&-
    server_says 'all have gone' || return
    server_wait
    tail -n 2 "$scratch/slow"
    [[ $(tail -n 2 "$scratch/slow") == "<2> last$nl* the chat is over" ]] || return
    # All but its own coming: the others', the lines, and the last one.
    awk '
        /^<2> / || /^\* <[23]> came$/ { heard++ }
        /^\* you have missed [0-9]+ lines$/ { missed += $5 }
        END { print heard, missed; exit !(missed > 0 && heard + missed == 40003) }
        ' "$scratch/slow"
}

# Nobody lags here, since the room keeps all lines; so there are more of them for the slow client
# than the kernel takes. The others go on.
drops_who_takes_nothing() {
    local client slow speaker reader

    join 1 && slow=$client && join 2 && speaker=$client && join 3 && reader=$client || return
    flood "$speaker" "$reader" && server_says '<1> takes nothing and is dropped' || return
    exec {reader}<&-
    join 4 && reader=$client || return
    printf 'still here\n' >&"$speaker"
    hears "$reader" '<2> still here' || return
    timeout 20 cat <&"$slow" >"$scratch/slow" || return
    exec {slow}<&- {speaker}<&- {reader}<&-
    ! grep 'the chat is over' "$scratch/slow" && ends "$1" 'all have gone'
}

# Whether it is dropped before or afterwards.
cuts_off_who_takes_nothing() {
    local client slow speaker reader line=

    join 1 && slow=$client && join 2 && speaker=$client && join 3 && reader=$client || return
    flood "$speaker" "$reader" || return
    kill "-$1" "$server_pid"
    while [[ $line != draining ]]; do
        read -r -t 20 -u "$server_output" line || return
    done
    server_wait
    echo "exit status $stopped"
    exec {slow}<&- {speaker}<&- {reader}<&-
    [[ $stopped == 0 ]]
}

# --- the test points -----------------------------------------------------------------------------

claim 'chat_server --help says how to use it' helps chat_server
claim 'chat_server refuses what it does not know' fails_with 2 run chat_server --nonsense
claim 'chat_server refuses a patience that is none' fails_with 2 run chat_server --patience soon
claim 'chat_server refuses to keep nothing' fails_with 1 \
    run chat_server --listen 127.0.0.1:0 --keep 0
claim 'chat_server says why it cannot listen' fails_with 1 run chat_server --listen 192.0.2.1:7

for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "it listens, on $reactor" server_start chat_server
    claim "all hear what one says, on $reactor" talk_among_themselves INT
    claim "it listens with patience, on $reactor" server_start chat_server --patience 60000
    claim "one that lags is told what it has missed, on $reactor" tells_how_many_were_missed TERM
    claim "it listens with little patience, on $reactor" \
        server_start chat_server --patience 1000 --keep 65536
    claim "one that takes nothing is dropped, on $reactor" drops_who_takes_nothing INT
    claim "it listens once more, on $reactor" \
        server_start chat_server --patience 1000 --keep 65536
    claim "and does not keep the server, on $reactor" cuts_off_who_takes_nothing TERM
    unset ROUSE_REACTOR
done

echo "1..$points"
((failures == 0))
