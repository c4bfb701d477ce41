#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The programs of docs/debugging.md, which hang: what the dump says of each, on Ctrl-\, and what
# they say of themselves. And that the lines which the document names are those that it means.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

hung_pid=

# hangs PROGRAM [ARGUMENT...]: starts it, and leaves what it writes in $scratch/hung.
hangs() {
    "${prefix[@]}" "$bin/$1" "${@:2}" </dev/null >>"$scratch/hung" 2>&1 &
    hung_pid=$!
    started[hung]=$hung_pid
}

hung_end() {
    kill -KILL "$hung_pid" 2>/dev/null
    wait "$hung_pid" 2>/dev/null
    unset 'started[hung]'
}

# dump_says PATTERN...: whether a dump comes to have lines with all of them. The first ones may come
# before the program has got to where it hangs.
dump_says() {
    local pattern missing

    for _ in {1..100}; do
        : >"$scratch/hung"
        kill -QUIT "$hung_pid" || return
        sleep 0.05
        missing=
        for pattern in "$@"; do
            grep -qE -- "$pattern" "$scratch/hung" || missing=$pattern
        done
        if [[ -z $missing ]]; then return; fi
    done
    cat "$scratch/hung"
    echo "it does not say: $missing"
    return 1
}

# explains PATTERN... -- PROGRAM [ARGUMENT...]
explains() {
    local -a patterns=()
    local status

    while [[ $1 != -- ]]; do
        patterns+=("$1")
        shift
    done
    hangs "${@:2}"
    # Until the handler is there, SIGQUIT would end it.
    for _ in {1..200}; do
        if grep -q '^SigCgt:.*[4-7c-f]$' "/proc/$hung_pid/status" 2>/dev/null; then break; fi
        sleep 0.01
    done
    dump_says "${patterns[@]}"
    status=$?
    hung_end
    return $status
}

# calls_of PROGRAM FUNCTION: a pattern for a running task, with its call where that can be told.
calls_of() {
    # Under ThreadSanitizer no signal reaches a thread that spins, and under an emulator the kernel
    # knows other threads than we do.
    if [[ -n ${ROUSE_TEST_EMULATED:-} ]] || grep -qa __tsan_init "$bin/$1"; then
        echo '  task 0x'
    else
        echo "at.? $2\\+0x"
    fi
}

# --- the test points -----------------------------------------------------------------------------

export ROUSE_WORKERS=2
claim 'two tasks that wait for each other are a deadlock' explains \
    '^deadlock: 2 tasks wait in a circle' 'transfer .*for: mutex' 'audit .*for: mutex' \
    'at (transfer|lock_both)\+0x' -- hang_deadlock
claim 'a task that nobody has a waker of is lost' explains \
    '^lost: 1 pending, no waker stored anywhere' 'reader .* for: letter; pending' \
    'at reader\+0x' -- hang_lost_wake
claim 'a turn that nobody takes is a futurelock' explains \
    '^futurelock: .*impatient user .*through a future that it does not poll' \
    'permits of semaphore' -- hang_futurelock
claim 'a task that sleeps on its worker is shown where it does' explains \
    'blocker .*running on worker 0' 'ticker .*for: sleep' \
    "$(calls_of hang_blocked sleeps_on_the_thread)" -- hang_blocked
claim 'and one that computes for ever' explains \
    'blocker .*running on worker 0' "$(calls_of hang_blocked computes_for_ever)" \
    -- hang_blocked --spin
claim 'a channel is full, and its consumer waits for something else' explains \
    '10 x examples/hang_channel.c.* for: a place in channel .*4 of 4; receivers: 1' \
    'consumer .*for: a notification' -- hang_channel

explain_themselves() {
    local program

    for program in "$tree"/examples/hang_*.c; do
        program=$(basename "$program" .c)
        "$bin/$program" --help | grep -x "Usage: $program .*" || return
        "$bin/$program" --help | grep '^Hangs: ' || return
        if "$bin/$program" --else 2>/dev/null; then return 1; fi
    done
}
claim 'each says what is wrong with it' explain_themselves

# Where the document names a line, a task is spawned, or waits.
lines_are_right() {
    local place

    grep -oE 'examples/hang_[a-z_]+\.c:[0-9]+' "$tree/docs/debugging.md" | sort -u |
        while IFS=: read -r file line; do
            place=$(sed -n "${line}p" "$tree/$file")
            echo "$file:$line: $place"
            [[ $place =~ ROUSE_SITE|rouse_spawn|rouse_mutex_lock ]] || exit 1
        done
}
claim 'the document names the right lines' lines_are_right

echo "1..$points"
exit $((failures > 0))
