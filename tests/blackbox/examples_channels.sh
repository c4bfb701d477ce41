#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of channels: a pipeline whose fast stage waits for the slow one, and a pool of
# workers.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# --- pipeline ------------------------------------------------------------------------------------

# Two channels of four places, and one item in the hand of each of the two later stages.
is_held_back() {
    local got pattern

    got=$(run pipeline)
    echo "$got"
    pattern="^the sum of 100 squares is 338350${nl}"
    pattern+='the first stage was at most ([0-9]+) ahead of the last$'
    [[ $got =~ $pattern ]] || return
    ((BASH_REMATCH[1] >= 1 && BASH_REMATCH[1] <= 2 * 4 + 2))
}

# --- the test points -----------------------------------------------------------------------------

results="job 0: Numerical argument out of domain${nl}99 jobs done in 3117 steps, 1 failed"

for name in pipeline worker_pool; do
    claim "$name --help says how to use it" helps "$name"
    claim "$name refuses what it does not know" fails_with 2 run "$name" --nonsense
done

for workers in 1 2; do
    export ROUSE_WORKERS=$workers
    claim "the first stage gets no further ahead than there is room, on $workers workers" \
        is_held_back
    claim "each job is done once, and one fails, on $workers workers" \
        prints "$results" run worker_pool
    unset ROUSE_WORKERS
done

echo "1..$points"
((failures == 0))
