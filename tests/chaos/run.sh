#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The API suite and httpd's tests under chaos: at points between the steps of its protocols the
# library delays, reorders, steals and polls for no reason, as a seed says.
#
#     tests/chaos/run.sh [SEED...]
#
# Without a seed it takes two fresh ones. A failure prints the seed and the command that repeats it.
# ROUSE_BUILD_DIR: the build to use.
set -euo pipefail

tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
seeds=("$@")
failed=0

# Tests of httpd that state no times.
web='blackbox_httpd_(files|wire)$'

if ((${#seeds[@]} == 0)); then
    seeds=("$RANDOM$RANDOM" "$RANDOM$RANDOM")
fi
for seed in "${seeds[@]}"; do
    echo "== ROUSE_CHAOS=$seed"
    for selection in "-L api" "-R $web"; do
        # shellcheck disable=SC2086
        if ! ROUSE_CHAOS=$seed ctest --test-dir "$build" -j "$(nproc)" --output-on-failure \
            $selection; then
            echo "FAILED under chaos; again: ROUSE_CHAOS=$seed ctest --test-dir $build $selection"
            failed=1
        fi
    done
done
exit $failed
