#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The tests of connections once more, from one network to another: two namespaces with a pair of
# veth interfaces between them, and rules of nft that lose packets on the way. What is sent meets
# small segments, small buffers, losses and retransmissions; and tests/api/net_shaped.c has peers
# that fall silent. Both ends are sockets of one process, see tests/harness/far.h.
#
# It needs root. All of it runs in namespaces of its own, whose first process ends with this one,
# however that ends; then the kernel takes everything away. ROUSE_TEST_FULL=1: more of the tests, on
# each back end.
set -uo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

build=${ROUSE_BUILD_DIR:-$(cd "$(dirname "$0")/../.." && pwd)/build}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 77
}

if [[ ${1:-} != inside ]]; then
    ((EUID == 0)) || skip_all 'only root can make networks'
    for command in ip nft unshare nsenter; do
        command -v "$command" >/dev/null || skip_all "needs $command"
    done
    unshare --net --pid --mount --fork --mount-proc true 2>/dev/null ||
        skip_all 'no namespaces here'
    [[ -x $build/tests/api_net_shaped ]] || skip_all 'the tests are not built'
    exec unshare --net --pid --mount --fork --mount-proc --kill-child "$BASH" "$0" inside
fi

points=0
failures=0

# The file of the far namespace. Its process, and with it the namespace, ends with us.
unshare --net sleep 1000 &
far=/proc/$!/ns/net
for _ in {1..100}; do
    [[ $(readlink "$far") == "$(readlink /proc/self/ns/net)" ]] || break
    sleep 0.02
done

in_far() {
    nsenter "--net=$far" "$@"
}

# Buffers of a few segments, and retransmissions soon.
prepare() {  # prepare COMMAND...: in one of the two
    "$@" sysctl -q -w net.ipv4.tcp_rmem='4096 16384 65536' net.ipv4.tcp_wmem='4096 16384 65536' \
        net.ipv4.tcp_syn_retries=1 net.ipv4.icmp_ratelimit=0 || return
    "$@" ip link set lo up
}

# The way between them. A route without a neighbour soon says so.
connect_networks() {
    prepare env || return
    prepare in_far || return
    ip link add name near0 mtu 600 type veth peer name far0 mtu 600 || return
    ip link set far0 netns "${far//[!0-9]/}" || return
    ip address add 10.77.0.1/24 dev near0 && ip link set near0 up || return
    in_far ip address add 10.77.0.2/24 dev far0 && in_far ip link set far0 up || return
    ip route change 10.77.0.0/24 dev near0 src 10.77.0.1 rto_min 5ms || return
    in_far ip route change 10.77.0.0/24 dev far0 src 10.77.0.2 rto_min 5ms || return
    sysctl -q -w net.ipv4.neigh.near0.retrans_time_ms=10
}

# lose RULE: in both directions, on arrival; the marked on their way out. The rest are the ports of
# tests/api/net_shaped.c.
lose() {
    local run

    for run in env in_far; do
        "$run" nft -f - <<END || return
flush ruleset
table inet shape {
    counter lost { }
    chain arriving {
        type filter hook input priority 0
        tcp dport 11 drop
        tcp dport 12 reject with icmp type host-unreachable
        tcp dport 13 reject with icmp type net-unreachable
        meta l4proto { tcp, udp } th dport 14 reject with icmp type admin-prohibited
        tcp dport 15 reject with tcp reset
        meta l4proto { tcp, udp } th dport 16 reject with icmp type port-unreachable
        $1
    }
    chain leaving {
        type filter hook output priority 0
        meta mark 7 drop
    }
}
END
    done
    ip route replace unreachable 10.77.1.0/24
    ip route replace prohibit 10.77.2.0/24
}

# claim TEXT COMMAND...
claim() {
    local text=$1 output

    shift
    points=$((points + 1))
    if output=$("$@" 2>&1); then
        echo "ok $points - $text"
    else
        grep -v '^ok' <<<"$output" | sed 's/^/# /'
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

# runs PROGRAM: most of the time they wait, so many at a time.
runs() {
    ROUSE_TEST_FAR="$far 10.77.0.2" timeout 100 "${prefix[@]}" "$build/tests/$1" --jobs 16
}

prefix=()
if setarch -R true 2>/dev/null; then prefix=(setarch -R); fi
programs=(api_net_conformance)
if [[ ${ROUSE_TEST_FULL:-0} == 1 ]]; then
    export ROUSE_TEST_REACTORS='epoll poll io_uring'
    programs+=(api_tcp api_tcp_copy api_tcp_pooled api_tcp_zerocopy)
else
    export ROUSE_TEST_REACTORS=${ROUSE_REACTOR:-epoll}
fi

# loses PROGRAM: it runs, and packets were lost in both directions meanwhile.
loses() {
    local run lost

    runs "$1" || return
    for run in env in_far; do
        lost=$("$run" nft list counter inet shape lost)
        echo "$lost"
        [[ $lost =~ packets\ [1-9] ]] || return
    done
}

# What carries data is lost, and what ends a stream; a handshake that is lost takes a second.
readonly data='tcp flags & (syn | rst) == 0 ip length > 52'
readonly lossy="$data numgen inc mod 16 == 0 counter name lost drop
        tcp flags & fin == fin numgen inc mod 4 == 0 counter name lost drop"
# How much this one loses is up to how fast the machine is.
readonly narrow="$data limit rate over 10000/second burst 12 packets drop"

# A kernel without veth, or without nft's rules, is no failure of ours.
if ! refusal=$({ connect_networks && lose "$lossy" && lose ''; } 2>&1); then
    skip_all "no such networks here: ${refusal//$'\n'/; }"
fi
claim 'a way that loses nothing: silence and refusals' runs api_net_shaped
for program in "${programs[@]}"; do
    claim 'rules are in force' lose "$lossy"
    claim "a way that loses packets: $program" loses "$program"
    claim 'rules are in force' lose "$narrow"
    claim "a narrow way: $program" runs "$program"
done
echo "1..$points"
((failures == 0))
