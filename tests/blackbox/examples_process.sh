#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples about the world outside: a command whose output is shown as it comes, and names that
# are looked up.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# Its lines, without their times.
lines_of() {
    local got status

    got=$(run run_command "$@")
    status=$?
    echo "$got"
    lines=$(sed -E 's/^[0-9]+\.[0-9]{3} s \| //' <<<"$got")
    return $status
}

shows_lines() {
    lines_of 60 sh -c 'echo one; echo; printf "two\nthree"; exit 7'
    [[ $? == 7 && $lines == "one${nl}${nl}two${nl}three" ]]
}

shows_long_lines() {
    lines_of 60 sh -c 'head -c 5000 /dev/zero | tr "\0" x' &&
        [[ ${lines//$nl/} == "$(printf 'x%.0s' {1..5000})" ]]
}

# One that nobody reaps does not run either.
is_running() {
    local state

    state=$(cut -d ' ' -f 3 "/proc/$1/stat" 2>/dev/null) && [[ $state != Z ]]
}

# The grandchild holds the pipe too.
kills_in_time() {
    local status child

    lines_of 3 sh -c 'sleep 1000 & echo $!; wait'
    status=$?
    child=$lines
    echo "exit status $status, $child"
    [[ $status == 124 && $child == [1-9]* ]] || return
    for _ in {1..200}; do
        is_running "$child" || return 0
        sleep 0.05
    done
    return 1
}

resolves() {
    local got

    got=$(run resolve localhost 192.0.2.7 ::1) && echo "$got"
    [[ $got == localhost:\ *"${nl}192.0.2.7: 192.0.2.7:0${nl}::1: [::1]:0" ]]
}

says_what_is_no_name() {
    local got name

    name=$(printf 'x%.0s' {1..70})  # too long to be asked for
    got=$(run resolve 127.0.0.1 "$name")
    [[ $? == 1 ]] || return
    echo "$got"
    [[ $got == "127.0.0.1: 127.0.0.1:0${nl}$name: "* ]]
}

for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "run_command shows lines and ends as its command on $reactor" shows_lines
    unset ROUSE_REACTOR
done
claim 'run_command kills when the time is over' kills_in_time
claim 'run_command cuts a line that is too long' shows_long_lines
claim 'run_command ends with 128 and the signal' \
    fails_with 137 run run_command 60 sh -c 'kill -9 $$'
claim 'run_command says what it cannot run' fails_with 127 run run_command 60 /no/such/command
claim 'run_command wants a command' fails_with 2 run run_command 60
claim 'resolve prints addresses in order' resolves
claim 'resolve says which name has none' says_what_is_no_name
claim 'resolve wants a name' fails_with 2 run resolve

echo "1..$points"
((failures == 0))
