#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs tests and examples of a release build under Valgrind's memcheck, as many at once as JOBS
# says: those that run on stacks of fibers, move memory between threads, or read foreign bytes. One
# fails by its own claims, by an access that memcheck reports, by memory that nothing points to any
# more, and by a stack that Valgrind was not told of.
#
# Left out are tests that depend on times; those of children that a fork made beside other threads,
# whose memory such a child loses; those that end a wait in a ring by a signal or from another
# thread, which Valgrind 3.19 does not return from; stress; and long ones about numbers only.
# ROUSE_BUILD_DIR: the build to use.
set -euo pipefail

build=${ROUSE_BUILD_DIR:-$(cd "$(dirname "$0")/../.." && pwd)/build}
jobs=${JOBS:-2}
# The long ones first.
programs=(bin/howdy tests/test_blocking_pool tests/test_tcp_io tests/api_locals
    tests/test_coroutine_exceptions tests/test_http_request tests/test_fiber tests/test_cancel
    tests/test_async tests/test_block_on tests/test_dump tests/test_runq
    tests/test_combinators tests/test_future tests/test_tls tests/test_fiber_exceptions
    tests/test_default tests/test_driver tests/api_own_executor tests/test_virtual_clock
    tests/test_stack tests/test_tcp tests/test_fd tests/test_interval
    tests/test_timeout tests/test_sleep tests/test_runtime tests/test_switch tests/test_inject
    tests/test_inbox tests/test_slab tests/test_signal tests/test_source tests/test_source_ticks
    tests/test_source_grants tests/test_task tests/test_watch tests/test_http_chunked
    tests/test_http_response bin/join_then bin/poller_demo bin/socket_read bin/two_executors)

command -v valgrind >/dev/null || {
    echo "1..0 # SKIP left out: there is no valgrind; scripts/install-deps.sh valgrind installs it"
    exit 77
}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# run_one PROGRAM: its log is LOGS/NAME, and LOGS/NAME.passed is there if it passed.
run_one() {
    local log=$logs/${1##*/}

    # A fair scheduler: threads that spin would keep the others from their turn for long.
    ROUSE_TEST_EMULATED=1 ROUSE_TEST_SLOWNESS=10 timeout --kill-after=5 120 valgrind \
        --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        --error-exitcode=99 --fair-sched=yes --quiet "$build/$1" </dev/null >"$log" 2>&1 ||
        { echo "# it ended with status $?" >>"$log"; return 0; }
    # What Valgrind says when the stack pointer goes where it knows of no stack.
    if ! grep -q 'client switching stacks' "$log"; then touch "$log.passed"; fi
}
export build logs
export -f run_one
printf '%s\n' "${programs[@]}" | xargs -P "$jobs" -I{} bash -euo pipefail -c 'run_one {}'

failed=0
number=0
echo "1..${#programs[@]}"
for program in "${programs[@]}"; do
    name=${program##*/}
    number=$((number + 1))
    if [[ -e $logs/$name.passed ]]; then
        echo "ok $number - $name"
    else
        failed=$((failed + 1))
        echo "not ok $number - $name"
        grep -E '^(not ok|#|==|\*\*)' "$logs/$name" | tail -n 60 | sed 's/^/# /' || true
    fi
done
exit $((failed > 0))
