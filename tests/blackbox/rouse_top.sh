#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `rouse top` on a terminal of our own, and with --once, in front of a console that is a mock: what
# it shows at 80 and at 200 columns, each key, a change of the size, connections that break, and
# that the terminal is given back however it ends. What is waited for has a limit; no claim is about
# time.
set -uo pipefail
# shellcheck disable=SC2034
app=rouse
# shellcheck source=tests/blackbox/app.bash
source "$(dirname "$0")/app.bash"

mock=$build/tests/blackbox_console_mock
terminal=$build/tests/blackbox_terminal
export LC_ALL=C.UTF-8

# mock_start SCENE: sets address.
mock_start() {
    local i

    : >"$scratch/mock"  # of the one before
    "$mock" "$1" >>"$scratch/mock" 2>&1 &
    others+=("$!")
    address=
    for ((i = 0; i < 400; i++)); do
        address=$(sed -n 's/^listening on //p' "$scratch/mock")
        if [[ -n $address ]]; then return; fi
        sleep 0.025
    done
    return 1
}

# once OPTION...: one screen, in $scratch/once.
# shellcheck disable=SC2120
once() {
    timeout 60 "${prefix[@]}" "$build/bin/rouse" top "$address" --once --period 100 "$@" \
        >"$scratch/once" 2>"$scratch/errors"
    local status=$?

    cat "$scratch/errors" "$scratch/once"
    return $status
}

# shows PATTERN...: lines of what it last printed.
shows() {
    local pattern

    cat "$scratch/once"
    for pattern in "$@"; do
        grep -qE -- "$pattern" "$scratch/once" || { echo "missing: $pattern"; return 1; }
    done
}

# fails_with TEXT COMMAND...: status 1, and the text on standard error.
fails_with() {
    local text=$1 status

    shift
    "$@"
    status=$?
    cat "$scratch/errors"
    ((status == 1)) && grep -qF -- "$text" "$scratch/errors"
}

# at COLUMNS ROWS OPTION... <<< SCRIPT
at() {
    "${prefix[@]}" "$terminal" "$1" "$2" "$build/bin/rouse" top "$address" --period 100 "${@:3}"
}

# --- on no terminal ------------------------------------------------------------------------------

options_are_read() {
    timeout 60 "${prefix[@]}" "$build/bin/rouse" "$@" >"$scratch/once" 2>"$scratch/errors"
    local status=$?

    cat "$scratch/once" "$scratch/errors"
    return $status
}

claim 'it has a help text' options_are_read top --help
claim 'which names the keys' shows '^usage: rouse top ' '^Keys: q ends'
claim 'without a command, too' options_are_read --help
is_misuse() {
    options_are_read "$@"
    (($? == 2))
}
claim 'no command is misuse' is_misuse
claim 'so is another one' is_misuse bottom
claim 'an unknown key to sort by' is_misuse top --sort size
claim 'a period that is too short' is_misuse top --period 99
claim 'what is no address' is_misuse top localhost
claim 'and two of them' is_misuse top 1 2
claim 'a pipe is told of --once' fails_with 'standard output is no terminal; --once' \
    options_are_read top 127.0.0.1:1

claim 'a console starts' mock_start good
claim 'one screen goes to a pipe' once
claim 'with the program, its workers, latencies and tasks' shows \
    '^rouse top - mock, process 4711, up 1:02:02, 12.3M resident$' \
    '^runtime 1, epoll: idle 1/2, tasks 100, queued 7; blocking 1/3, queued 4$' \
    '^  0 \[\|{7} {7}\]  50% running    2\.00k polls/s     30 steals/s    3 queued$' \
    '^poll time +p50 1\.02us +p99 1\.02us +p99\.9 1\.05ms +\(of 100\)$' \
    '^12 timers, 34 descriptors; memory: tasks 256K, stacks 8\.00M, buffers 0B$' \
    '^100 tasks, 20000 looked at$' '^ +ID STATE +POLLS +BUSY- +IDLE NAME +WAITS FOR$' \
    '^ +18 waiting +3 +1\.00us +2\.50s producer +\[never yields, lost$' \
    ' some\.c:19 +a place in channel$'
is_within() {
    awk -v max="$1" 'length > max { print; bad = 1 } END { exit bad }' "$scratch/once"
}
claim 'in 80 columns' is_within 80
COLUMNS=200 LINES=30 claim 'one of 200 columns and 30 lines' once --sort -name --filter 'a&b'
claim 'has more columns, and what was asked for' shows ' SITE +WAITS FOR$' ' examples/some\.c:26 ' \
    '/events\?tasks=100&sort=-name&filter=a%26b&period=100$' ', 100 with "a&b"$'
claim 'and keeps to both' is_within 200
thirty() { (($(wc -l <"$scratch/once") == 30)); }
claim 'in each direction' thirty
from_environment() {
    ROUSE_CONSOLE=$address timeout 60 "${prefix[@]}" "$build/bin/rouse" top --once --period 100 |
        grep '^rouse top - mock'
}
claim 'the address may be that of the environment' from_environment

# --- on a terminal -------------------------------------------------------------------------------

claim 'on a terminal it shows itself, and q ends it' at 80 24 <<<'
see rouse top - mock, process 4711
see ]  50% running    2.00k polls/s
see producer
type q
exit 0'
claim 'keys choose the order' at 180 24 <<<'
see sort=-busy
type s
see sort=-scheduled
see SCHED-
type r
see sort=scheduled
see SCHED+
type \e[C
see sort=-idle
type \eOD\e[D
see sort=-busy
type \x03
exit 0'
claim 'a filter is typed, corrected, dropped and taken' at 180 24 <<<'
see filter=&
type /abx\x7f
see filter: ab_
type \e
lose filter:
see filter=&
type /café\r
see filter=caf%C3%A9&
see with "caf#"
type q
exit 0'
claim 'one scrolls through tasks' at 180 24 <<<'
see /events?
type \e[B
lose /events?
type \e[F
see some.c:109
type \e[5~\e[5~\e[5~\e[5~\e[5~\e[5~\e[5~
see /events?
type q
exit 0'
claim 'a large screen asks for more tasks' at 180 24 <<<'
see tasks=100&
resize 180 140
see tasks=132&
type q
exit 0'
claim 'it pauses and goes on' at 80 24 <<<'
see looked at
type \x20
see paused
type \x20
lose paused
type q
exit 0'
claim 'it follows the size' at 80 24 <<<'
see WAITS FOR
lose SITE
resize 200 40
see SITE
see some.c:30
resize 60 10
lose SITE
see [|||||||       ]
type q
exit 0'
claim 'Ctrl-Z gives the terminal back, and it goes on' at 80 24 <<<'
see producer
type \x1a
stop
signal 18
see producer
type q
exit 0'
for signal in 15 2 1; do
    claim "it ends in order at signal $signal" at 80 24 <<<"
see producer
signal $signal
exit 0"
done
# Sanitizers end a program in their own way.
if ! $sanitized; then
    for signal in 6 11; do
        claim "it gives the terminal back at signal $signal" at 80 24 <<<"
see producer
signal $signal
exit $((128 + signal))"
    done
fi

# --- consoles that are none ----------------------------------------------------------------------

claim 'names can do nothing to the screen' mock_start hostile
claim 'nor can there be too many of anything' at 120 24 <<<'
see and 390 more workers
see ?[2Jgo?7m?
type q
exit 0'

mock_start ends
claim 'a connection that is lost is told, and made anew' at 120 24 <<<'
see the program has ended; trying again
see looked at
lose trying again
type q
exit 0'
refused() {
    address=127.0.0.1:1 once
}
claim 'one that cannot be made is told' fails_with 'Connection refused' refused
scene_fails() {  # scene_fails SCENE TEXT
    mock_start "$1" && fails_with "$2" once
}
claim 'a refusal' scene_fails status 'refuses with status 421'
claim 'another web server' scene_fails other 'is no console of rouse'
claim 'no HTTP' scene_fails raw 'is no console of rouse'
claim 'what is no JSON' scene_fails garbage 'a snapshot that cannot be read'
if [[ -n ${ROUSE_TEST_FULL:-} ]]; then
    claim 'one that says nothing' scene_fails silent 'no answer in time'
fi
mock_start status
claim 'on a terminal it goes on trying' at 80 24 <<<'
see refuses with status 421; trying again
type q
exit 0'

# --- consoles that are some ----------------------------------------------------------------------

# program_start ADDRESS PROGRAM [ARGUMENT...]: with its console on; sets address.
program_start() {
    local i

    : >"$scratch/program"
    ROUSE_CONSOLE=$1 "${prefix[@]}" "$build/bin/$2" "${@:3}" </dev/null >>"$scratch/program" 2>&1 &
    program_pid=$!
    others+=("$program_pid")
    address=
    for ((i = 0; i < 400; i++)); do
        address=$(sed -nE 's,.*console: http://(.*)/$,\1,p' "$scratch/program")
        if [[ -n $address ]]; then return; fi
        sleep 0.025
    done
    cat "$scratch/program"
    return 1
}

# Waits until the terminal has come to here in its script.
has_come() {
    local i

    echo "touch $scratch/come" >&"$script"
    for ((i = 0; i < 800; i++)); do
        if [[ -e $scratch/come ]]; then break; fi
        sleep 0.025
    done
    rm "$scratch/come"
}

# Ended from without, while rouse top reads it; another takes its place.
program_changes() {
    local script terminal_pid

    program_start 127.0.0.1:0 hang_blocked --spin || return
    exec {script}> >(at 80 24)
    terminal_pid=$!
    printf '%s\n' 'see rouse top - hang_blocked' 'see running' 'see blocker' >&"$script"
    has_come && kill -KILL "$program_pid"
    printf '%s\n' 'see trying again' >&"$script"
    has_come && program_start "$address" hang_channel
    printf '%s\n' 'see rouse top - hang_channel' 'lose trying again' 'see consumer' 'type q' \
        'exit 0' >&"$script"
    exec {script}>&-
    wait "$terminal_pid"
}

if [[ -x $build/bin/hang_channel && -x $build/bin/hang_blocked ]]; then
    claim 'a program has its console on' program_start 127.0.0.1:0 hang_channel
    COLUMNS=200 claim 'its tasks are read' once --sort name
    claim 'with what they wait for' shows '^rouse top - hang_channel, process ' '^12 tasks$' \
        ' examples/hang_channel\.c:[0-9]+ +a place in channel .*4 of 4' \
        ' consumer +examples/hang_channel\.c:[0-9]+ +a notification of '
    claim 'one ends by signal' kill -KILL "$program_pid"
    claim 'a program whose only worker hangs, and another in its place' program_changes
else
    skip 'a program has its console on' 'the examples are not built'
fi
finish
