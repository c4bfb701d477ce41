#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What TCP proxies cost: the CPU time of each for a MiB that iperf3 sends through it, and for a
# request of redis-benchmark, 50 connections. Ours, and nginx and HAProxy where they are installed,
# in turn, round by round, one thread each. The least of the rounds is followed by the median.
set -euo pipefail
export LC_ALL=C

rounds=${1:-7}
mib=1000
requests=50000
tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
scratch=$(mktemp -d)
PATH=$PATH:/usr/sbin
pids=()

cleanup() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT

for command in iperf3 redis-server redis-benchmark; do
    command -v "$command" >/dev/null && continue
    echo "proxy.sh: needs $command" >&2
    exit 77
done

# Ports: 0 is the server's, others the proxies' in front of it.
bulk=20000
small=21000
names=()

begin() {  # begin COMMAND...: in the background; its number is the last of `pids`
    "$@" >/dev/null 2>&1 &
    pids+=($!)
}

begin iperf3 -s -B 127.0.0.1 -p "$bulk"
begin redis-server --bind 127.0.0.1 --port "$small" --save ''

declare -A pid_of
for to in "$bulk" "$small"; do
    begin "$build/bin/tcp_proxy" --workers 1 --listen "127.0.0.1:$((to + 1))" --to "127.0.0.1:$to"
    pid_of[$((to + 1))]=${pids[-1]}
done
names+=(rouse)

module=/usr/lib/nginx/modules/ngx_stream_module.so
if command -v nginx >/dev/null && [[ -e $module ]]; then
    for to in "$bulk" "$small"; do
        cat >"$scratch/nginx.$to" <<END
load_module $module;
daemon off;
master_process off;
pid $scratch/nginx.$to.pid;
error_log $scratch/nginx.log;
events {}
stream { server { listen 127.0.0.1:$((to + 2)); proxy_pass 127.0.0.1:$to; } }
END
        begin nginx -c "$scratch/nginx.$to" -e "$scratch/nginx.log"
        pid_of[$((to + 2))]=${pids[-1]}
    done
    names+=(nginx)
fi
if command -v haproxy >/dev/null; then
    for to in "$bulk" "$small"; do
        cat >"$scratch/haproxy.$to" <<END
global
    nbthread 1
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen proxy
    bind 127.0.0.1:$((to + ${#names[@]} + 1))
    server upstream 127.0.0.1:$to
END
        begin haproxy -db -f "$scratch/haproxy.$to"
        pid_of[$((to + ${#names[@]} + 1))]=${pids[-1]}
    done
    names+=(haproxy)
fi
sleep 1

cpu() {  # cpu PORT: of its proxy, in hundredths of a second
    awk '{print $14 + $15}' "/proc/${pid_of[$1]}/stat"
}

measure() {  # measure WHAT NAME PORT UNITS COMMAND...: microseconds for a unit
    local what=$1 name=$2 port=$3 units=$4 before

    shift 4
    before=$(cpu "$port")
    timeout 120 "$@" >/dev/null 2>&1
    echo "$what $name $((($(cpu "$port") - before) * 10000 * 1000 / units))" >>"$scratch/results"
}

for ((round = 0; round < rounds; round++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do
        at=$(((i + round) % ${#names[@]}))
        measure us/MiB "${names[at]}" $((bulk + at + 1)) "$mib" \
            iperf3 -c 127.0.0.1 -p $((bulk + at + 1)) -n "${mib}M"
        measure us/request "${names[at]}" $((small + at + 1)) "$requests" \
            redis-benchmark -h 127.0.0.1 -p $((small + at + 1)) -n "$requests" -c 50 -q \
            -t ping_mbulk
    done
done
printf '%-12s %-8s %8s %8s\n' what proxy least median
sort -k1,2 -k3n "$scratch/results" | awk '
    function tell() {
        if (n == 0) return
        printf "%-12s %-8s %8.2f %8.2f\n", what, name, v[1] / 1000, v[int((n + 1) / 2)] / 1000
    }
    $1 != what || $2 != name { tell(); n = 0; what = $1; name = $2 }
    { v[++n] = $3 }
    END { tell() }'
