#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Metrics as Prometheus gets them, from the example metrics: by a parser of our own, and by promtool
# where it is installed or lies in the build (scripts/fetch-tools.sh promtool); and the lines of
# ROUSE_SCHEDTRACE. No claim is about time.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

check=$build/tests/blackbox_prometheus_check

writes_metrics() {  # writes_metrics ARGUMENT...
    run metrics "$@" >"$scratch/metrics" 2>"$scratch/errors"
    local status=$?

    cat "$scratch/errors"
    ((status == 0)) && [[ ! -s $scratch/errors ]]
}

# value NAME: the sum of its samples.
value() {
    awk -v name="$1" '$1 ~ "^" name "([{]|$)" { sum += $2 } END { print sum + 0 }' \
        "$scratch/metrics"
}

# holds EXPRESSION: of values, by their names.
holds() {
    local expression=$1 name

    for name in $(grep -oE 'rouse_[a-z_]+' <<<"$expression" | sort -ru); do
        expression=${expression//$name/$(value "$name")}
    done
    echo "$1: $expression"
    ((expression))
}

# A sample is there twice, a bucket falls, a counter is no counter: each has to be found.
finds() {  # finds WHAT SED-SCRIPT
    sed -E "$2" "$scratch/metrics" >"$scratch/wrong"
    if cmp -s "$scratch/metrics" "$scratch/wrong"; then
        echo "nothing was changed"
        return 1
    fi
    fails_with 1 "$check" "$scratch/wrong"
}

claim 'the example writes metrics' writes_metrics --tasks 64
claim 'each line is what Prometheus can read' "$check" "$scratch/metrics" \
    rouse_workers rouse_worker_polls_total rouse_worker_busy_seconds_total rouse_task_bytes \
    rouse_poll_duration_seconds rouse_schedule_latency_seconds
# The root, two of each number, and each sixteenth a call.
claim 'all tasks are counted' holds 'rouse_tasks_spawned_total == 1 + 64 + 64 + 4'
# A poll is counted when it is over, and so is the end of its task: each worker may be in one.
claim 'and those that have ended' holds \
    'rouse_tasks_alive >= 1 && rouse_tasks_alive <= 1 + rouse_workers'
claim 'polls are counted' holds \
    'rouse_worker_polls_total >= 64 * 6 + 64 + 4 - rouse_workers'
claim 'each is in the histogram' holds \
    'rouse_poll_duration_seconds_count >= rouse_worker_polls_total &&
        rouse_poll_duration_seconds_count <= rouse_worker_polls_total + rouse_workers'
claim 'tasks and stacks have memory' holds \
    'rouse_task_bytes > 0 && rouse_stack_bytes > 0 && rouse_page_bytes > rouse_stack_bytes'
claim 'a sample that is there twice is found' finds twice \
    's/^(rouse_workers[{].*)$/\1\n\1/'
claim 'a bucket that falls is found' finds falls \
    's/^(rouse_poll_duration_seconds_bucket.*le="2.56e-07"[}]) .*/\1 1000000/'
claim 'a counter without its name is found' finds counter 's/rouse_tasks_spawned_total/rouse_s/'
claim 'a name without its type is found' finds type '/^# TYPE rouse_timers/d'
promtool=$(command -v "$build/tools/promtool" || command -v promtool)
if [[ -n $promtool ]]; then
    promtool_is_content() { timeout 60 "$promtool" check metrics <"$1"; }
    claim 'promtool has no complaint' promtool_is_content "$scratch/metrics"
    printf '# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n' >"$scratch/wrong"
    claim 'which it would have of others' fails_with 3 promtool_is_content "$scratch/wrong"
else
    skip 'promtool has no complaint' 'scripts/fetch-tools.sh promtool gets it'
fi

# --- ROUSE_METRICS, ROUSE_SCHEDTRACE --------------------------------------------------------------

prints_lines() {
    local line='^rouse: sched: [0-9]+ ms runtime-[0-9]+: workers=2 busy=[0-2] searching=[0-2] '
    line+='idle=[0-2] global=[0-9]+ local=\[[0-9]+ [0-9]+\] tasks=[0-9]+ timers=[0-9]+ '
    line+='blocking=[0-9]+/[0-9]+ queued=[0-9]+ polls=[0-9]+ parks=[0-9]+ steals=[0-9]+$'

    ROUSE_WORKERS=2 ROUSE_SCHEDTRACE=1 run metrics >/dev/null 2>"$scratch/lines" || return
    head -n 5 "$scratch/lines"
    # At least the one at the end; and nothing else.
    (($(wc -l <"$scratch/lines") > 0)) && ! grep -qvE "$line" "$scratch/lines"
}

# The polls of the last line are all there were: each task has had its last.
ends_with_all() {
    tail -n 1 "$scratch/lines" | grep -q ' tasks=0 '
}

prints_nothing() {  # prints_nothing VALUE
    ROUSE_SCHEDTRACE=$1 run metrics 2>&1 >/dev/null | grep . && return 1
    return 0
}

claim 'ROUSE_SCHEDTRACE prints a line each period' prints_lines
claim 'and one at the end, when no task is left' ends_with_all
claim 'with a period of 0 it prints none' prints_nothing 0
claim 'nor with one that is none' prints_nothing often
claim 'nor with one that is below' prints_nothing -1

echo "1..$points"
((failures == 0))
