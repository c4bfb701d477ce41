#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The programs of examples/ beyond what examples.sh looks at: options they do not know, both
# reactors, what a task costs to the byte, servers that end while connections are open, and the
# short echo servers. With ROUSE_TEST_FULL=1 howdy runs a million tasks.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# A sanitizer takes memory and time, and limits the number of fibers.
tasks=10000
rounds=3000
sanitized=false
if ((${ROUSE_TEST_SLOWNESS:-1} > 1)); then
    sanitized=true
    tasks=1000
    rounds=300
elif [[ ${ROUSE_TEST_FULL:-} == 1 ]]; then
    tasks=1000000
fi

# One line for each task, the time, and less memory than the limit: so much beside the future.
howdy_is_complete() {
    local got line per_task future=0

    finish "$1" >/dev/null || return
    line=$(tail -n 1 <<<"$got") && echo "$line"
    [[ $line == "$tasks tasks ($1) in "*' s of it start-up; peak memory '*' bytes per task'* ]] ||
        return
    per_task=${line#*peak memory } && per_task=${per_task%% *}
    if [[ $1 == async ]]; then future=${line#*per task, } && future=${future%% *}; fi
    $sanitized || ((per_task - future <= $2))
}

howdy_prints_for_each() {
    local got

    got=$(run howdy --tasks 50 --style "$1") && echo "$got"
    [[ $(grep -c '^howdy!$' <<<"$got") == 50 && $(grep -c '^done!$' <<<"$got") == 50 ]]
}

reads_from_both() {
    local got line='read "howdy" after 0\.(0[1-9]|[1-9][0-9]) s, [1-9][0-9]* polls'

    got=$(run socket_read) && echo "$got"
    [[ $got =~ ^pipe:\ $line${nl}tcp:\ $line$ ]]
}

no_wake_is_lost() {
    local got

    got=$(run wake_while_polling --rounds "$rounds") && echo "$got"
    [[ $got == "$rounds rounds of 8 threads "*' 0 wakes unseen' ]] &&
        ((24 * rounds == $(awk '/ wakes / { sum += $1 } END { print sum + 0 }' <<<"$got")))
}

readiness='Socket 1 is now READABLE
Socket 2 is now WRITABLE
Socket 1 is now READABLE HANGUP
Socket 2 is now READABLE HANGUP'

echoes_bytes() {
    local connection got=

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    printf 'one two' >&"$connection"
    read -r -t 10 -N 7 -u "$connection" got
    exec {connection}<&-
    echo "$got"
    [[ $got == 'one two' ]]
}

# A connection that says nothing is closed when the server ends.
echo_ends_with_a_connection_open() {
    local connection

    exec {connection}<>"/dev/tcp/${address%:*}/${address#*:}" || return
    sleep 0.05
    server_stop "$1"
    timeout 10 cat <&"$connection"
    echo "exit status $stopped, connection $?"
    exec {connection}<&-
    [[ $stopped == 0 ]]
}

test_echo() {
    local reactor=$1 style=$2 workers=$3 name

    name="echo, $style on $reactor with $workers worker(s),"
    export ROUSE_REACTOR=$reactor
    claim "$name listens" server_start echo --style "$style" --workers "$workers"
    claim "$name sends back what comes" echoes_bytes
    claim "$name ends at SIG$4" echo_ends_with_a_connection_open "$4"
    unset ROUSE_REACTOR
}

many_are_greeted() {
    local urls=() got

    for _ in {1..40}; do urls+=("http://$address/"); done
    got=$(curl -sS --max-time 20 --parallel --parallel-max 20 "${urls[@]}")
    echo "$got"
    [[ $(grep -c '^howdy!$' <<<"$got") == 40 ]]
}

is_taken() {
    (exec 3<>/dev/tcp/127.0.0.1/7777) 2>/dev/null
}

# The short servers have their port built in, print nothing and end by a signal only.
short_server_echoes() {
    local status=1

    "${prefix[@]}" "$bin/$1" &
    started[$1]=$!
    address=127.0.0.1:7777
    for _ in {1..100}; do
        if is_taken; then break; fi
        kill -0 "${started[$1]}" || break
        sleep 0.05
    done
    echoes_bytes && status=0
    kill -TERM "${started[$1]}"
    wait "${started[$1]}"
    unset "started[$1]"
    return $status
}

# --- the test points -----------------------------------------------------------------------------

# These take seconds, so they run meanwhile.
if [[ $tasks != 1000000 ]]; then
    start async howdy --tasks "$tasks" --style async
    start fiber howdy --tasks "$tasks" --style fiber --quiet
fi

for name in howdy wake_while_polling own_executor echo; do
    claim "$name --help says how to use it" helps "$name"
    claim "$name refuses what it does not know" fails_with 2 run "$name" --nonsense
done
claim 'howdy refuses a count that is none' fails_with 2 run howdy --tasks many
claim 'echo refuses a style that is none' fails_with 2 run echo --style green
claim 'echo says why it cannot listen' fails_with 1 run echo --listen 192.0.2.1:7

for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "socket_read reads from a pipe and from TCP on $reactor" reads_from_both
    claim "poller_demo tells what is ready on $reactor" \
        prints "$readiness" run poller_demo
    claim "wake_while_polling loses no wake on $reactor" no_wake_is_lost
    unset ROUSE_REACTOR
done

for reactor in epoll poll; do
    test_echo $reactor fiber 1 TERM
    test_echo $reactor fiber 2 INT
    test_echo $reactor async 1 INT
    test_echo $reactor async 2 TERM
done

for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "own_executor listens on $reactor" server_start own_executor
    if command -v curl >/dev/null; then
        claim "own_executor serves many at once on $reactor" many_are_greeted
    else
        skip "own_executor serves many at once on $reactor" 'needs curl'
    fi
    claim "own_executor ends at SIGTERM on $reactor" server_ends_with_success TERM
    unset ROUSE_REACTOR
done

for name in echo_fiber echo_async; do
    if is_taken; then
        skip "$name sends back what comes" 'port 7777 is taken'
    else
        claim "$name sends back what comes" short_server_echoes "$name"
    fi
done

claim 'howdy says both lines for each task' howdy_prints_for_each fiber
if [[ $tasks == 1000000 ]]; then start async howdy --tasks "$tasks" --quiet; fi
claim "howdy runs $tasks async frames, each with 160 bytes or less beside it" \
    howdy_is_complete async 160
if [[ $tasks == 1000000 ]]; then start fiber howdy --tasks "$tasks" --style fiber --quiet; fi
claim "howdy runs $tasks fibers, each in 4.5 KiB or less" howdy_is_complete fiber 4608

echo "1..$points"
((failures == 0))
