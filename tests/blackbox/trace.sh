#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# ROUSE_TRACE, with examples of each kind: a checker of our own reads the file, and python's parser
# too where there is one. That the checker finds faults is shown with traces that have some.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

check=$build/tests/blackbox_trace_check
trace=$scratch/trace.json

traces() {  # traces PROGRAM ARGUMENT...
    rm -f "$trace"
    ROUSE_TRACE=$trace run "$@" >/dev/null && "$check" "$trace" | tee "$scratch/said"
}

# says PATTERN: a line of what the checker last said.
says() {
    cat "$scratch/said"
    grep -qE "$1" "$scratch/said"
}

finds() {  # finds SED-SCRIPT
    sed -E "$1" "$trace" >"$scratch/wrong.json"
    if cmp -s "$trace" "$scratch/wrong.json"; then
        echo "nothing was changed"
        return 1
    fi
    fails_with 1 "$check" "$scratch/wrong.json"
}

claim 'a trace of fibers, with yields, timers and blocking calls' traces metrics --tasks 64
# 133 tasks; an arrow to each poll.
claim 'it has each task and nothing was dropped' says ' 133 tasks, .* 0 dropped$'
claim 'and each poll of each: six' says '^384 of compute$'
claim 'and names its workers and sleeps' grep -q '"runtime-1 worker 0"' "$trace"
if command -v python3 >/dev/null; then
    claim 'python reads it' python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$trace"
else
    skip 'python reads it' 'no python3'
fi
claim 'an arrow without its end is found' finds '0,/"ph":"f"/{/"ph":"f"/d}'
claim 'a task without its end is found' finds '0,/"ph":"e"/{/"ph":"e"/d}'
claim 'a poll without its task is found' finds '0,/"args":\{"task"/s//"args":{"tusk"/'
claim 'a slice without its length is found' finds '0,/"dur"/s//"dour"/'
claim 'a slice that is too long is found' finds '0,/"dur":[1-9]/s//"dur":99999999/'
claim 'a file that is cut off is found' finds '$d'

claim 'a trace of futures' traces pipeline
claim 'a trace of sockets' traces fan_out --deadline 60000 --pace 1
claim 'of one executor' traces join_then
claim 'names it' grep -q '"executor-1 worker 0"' "$trace"

numbered() {
    ROUSE_TRACE=$scratch/%p.json run metrics >/dev/null && "$check" "$scratch"/[0-9]*.json
}
claim 'a path with the number of the process' numbered

complains() {
    ROUSE_TRACE=$scratch/no/such/folder run metrics >/dev/null 2>"$scratch/errors" || return
    cat "$scratch/errors"
    grep -q '^rouse: warn: no trace: No such file or directory$' "$scratch/errors"
}
claim 'a file that cannot be made is told, and the program runs' complains

echo "1..$points"
((failures == 0))
