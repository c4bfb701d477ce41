#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The commands for gdb, which it loads with the library: on a live process, on the core file that
# gdb makes of it, and on one with the stacks of fibers.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

skip() {
    echo "1..0 # SKIP $1"
    exit 77
}

command -v gdb >/dev/null || skip 'there is no gdb'
[[ -z ${ROUSE_TEST_EMULATED:-} ]] || skip 'gdb does not see into the emulator'
grep -qaE '__(asan|tsan)_init' "$bin/hang_deadlock" && skip 'a sanitizer maps too much for a core'
[[ $(gdb -q -batch -nx -ex 'python print("py" + "thon")' 2>&1) == python ]] ||
    skip 'this gdb has no Python'

# debug SECONDS ARGUMENT...: gdb with nothing of the user's, and no network.
debug() {
    timeout "$1" gdb -q -batch -nx -iex 'set debuginfod enabled off' \
        -iex "add-auto-load-safe-path $build/lib" "${@:2}" 2>&1
}

# says PATTERN...: whether the last session's output has lines with all of them.
says() {
    local pattern

    for pattern in "$@"; do
        grep -qE -- "$pattern" "$scratch/session" && continue
        cat "$scratch/session"
        echo "it does not say: $pattern"
        return 1
    done
}

tasks=('transfer \(examples/hang_deadlock.c:[0-9]+\), fiber, waiting' '^3 tasks$')
calls=('^task 0x[0-9a-f]+ audit .*, waiting$' '#[0-9]+ .* in rouse_mutex_lock at '
    '#[0-9]+ .* in (audit|lock_both) at .*hang_deadlock.c:')

# Both wait for their second mutex from about 10 ms on, and look at it now and then: gdb may find
# them running, which is tried again.
live() {
    for _ in {1..5}; do
        debug 60 -p "$pid" -ex 'rouse tasks' -ex 'rouse bt all' -ex 'rouse task 0' \
            -ex "generate-core-file $scratch/plain" -ex "rouse core $scratch/whole" \
            >"$scratch/session"
        if says "${tasks[@]}" "${calls[@]}" >/dev/null; then return; fi
    done
}

# One worker: each has a slab of stacks, of which a core file holds every page.
ROUSE_WORKERS=1 "${prefix[@]}" "$bin/hang_deadlock" </dev/null >/dev/null 2>&1 &
pid=$!
started[hung]=$pid
sleep 0.2
live
kill -KILL "$pid"
wait "$pid" 2>/dev/null
unset 'started[hung]'
if grep -qiE 'ptrace: Operation not permitted|could not attach' "$scratch/session"; then
    skip 'a process may not be attached to here'
fi

claim 'a live process: its tasks are listed' says "${tasks[@]}" 'waiting: mutex lock'
claim 'with the calls of each' says "${calls[@]}"
claim 'one of them in full' says 'awaits mutex lock at 0x' '[0-9]+ references, of the runtime'
claim 'a core file with stacks is made' says 'whole, with the stacks of 3 fibers'

debug 60 "$bin/hang_deadlock" "$scratch/plain" -ex 'rouse tasks' -ex 'rouse bt all' \
    >"$scratch/session"
claim "the core file of gdb's own: its tasks are listed" says "${tasks[@]}"
debug 60 "$bin/hang_deadlock" "$scratch/whole" -ex 'rouse tasks' -ex 'rouse bt all' \
    >"$scratch/session"
claim 'the one with stacks: its tasks are listed' says "${tasks[@]}" 'waiting: mutex lock'
claim 'with their calls' says "${calls[@]}"

echo "1..$points"
exit $((failures > 0))
