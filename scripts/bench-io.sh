#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Measures servers of rouse beside raw ones and those of other runtimes: echo, HTTP, connections
# that come and go, idle ones, and latency beside a task that computes. See bench/README.md.
set -euo pipefail

usage() {
    cat <<END
usage: scripts/bench-io.sh [OPTION...]

  -b WORKS      default "echo http churn idle mixed instructions"
  -r ROUNDS     default 7
  -t SECONDS    measured in each round (default 1)
  -i COUNT      connections of idle (default 10000)
  -R REACTORS   that rouse waits with (default "epoll io_uring"); one that it does not have is left
                out
  -n            build no peers: those that are there already are measured
  --markdown    the table as Markdown

Results are in build/bench: io.jsonl and, with gnuplot, a picture, io.svg. ROUSE_BUILD_DIR is where
rouse was built (default build).
END
}

cd "$(dirname "$0")/.."
works='echo http churn idle mixed instructions' rounds=7 seconds=1 idle_count=10000 reactors='epoll io_uring'
builds=1 form=()
while getopts 'b:r:t:i:R:n-:h' option; do
    case $option in
    b) works=$OPTARG ;;
    r) rounds=$OPTARG ;;
    t) seconds=$OPTARG ;;
    i) idle_count=$OPTARG ;;
    R) reactors=$OPTARG ;;
    n) builds=0 ;;
    h) usage && exit 0 ;;
    -)
        case $OPTARG in
        help) usage && exit 0 ;;
        markdown) form=(--markdown) ;;
        *) usage >&2 && exit 2 ;;
        esac
        ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($# == 0)) || { usage >&2 && exit 2; }

build=${ROUSE_BUILD_DIR:-build}
peers=build/bench
results=build/bench/io.jsonl
mkdir -p "$peers"
if ((builds)); then
    echo '== building the peers'
    bench/io/peers/build.sh "$peers"
fi

# --- the servers, as NAME=COMMAND ----------------------------------------------------------------

# peer NAME PROGRAM [ARGUMENT...]: adds it to `servers` if it was built.
servers=()
peer() {
    if [[ -x $2 ]]; then servers+=("$1=${*:2}"); fi
}

# rouse_echo [ARGUMENT...]: each style on each reactor. The log says which one it is in the end.
rouse_echo() {
    local style reactor

    for style in future fiber; do
        for reactor in $reactors; do
            servers+=("rouse/$style/$reactor=env ROUSE_LOG=info ROUSE_REACTOR=$reactor \
$build/bin/bench_io_rouse_echo --style $style $*")
        done
    done
}

httpd() {
    local reactor

    for reactor in $reactors; do
        servers+=("httpd/-/$reactor=env ROUSE_LOG=info ROUSE_REACTOR=$reactor $build/bin/httpd \
--root $site --workers 1 --listen 127.0.0.1:0")
    done
}

raw() {
    servers+=("epoll=$build/bin/bench_io_epoll_$1" "io_uring=$build/bin/bench_io_uring_$1")
}

echo_servers() {
    servers=()
    raw echo
    rouse_echo
    peer tokio "$peers/peer_tokio_echo"
    peer go "$peers/peer_go_io" echo
    peer libuv "$peers/peer_libuv_io" echo
}

http_servers() {
    servers=()
    raw http
    httpd
    peer hyper "$peers/peer_hyper_http"
    peer go "$peers/peer_go_io" http
    peer libuv "$peers/peer_libuv_io" http
    peer nginx bench/io/peers/nginx.sh
}

# --- the work ------------------------------------------------------------------------------------

site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
printf 'Hello, World!' >"$site/hello.txt"
failed=0

# compare OPTION...: adds the results of `servers`.
compare() {
    echo "== $*"
    bench/io/compare.sh -a -o "$results" -l "$build/bin/bench_io_load" -r "$rounds" \
        -t "$seconds" "$@" "${servers[@]}" || failed=1
}

work_echo() {
    echo_servers
    compare -m echo -c 50 -d '1 16'
    compare -m echo -c 1000 -d 1
}

work_http() {
    http_servers
    compare -m http -p /hello.txt -c 64 -d '1 16'
}

work_churn() {
    echo_servers
    compare -m churn -c 50
}

# With a buffer of 16 KiB, and with one of 1 KiB; rouse lends one in the other rows. httpd speaks no
# other protocol than its own.
work_idle() {
    echo_servers
    peer tokio/1k "$peers/peer_tokio_echo" --buffer 1024
    peer go/1k "$peers/peer_go_io" echo --buffer 1024
    servers+=("rouse/future/16k=$build/bin/bench_io_rouse_echo --style future --buffer 16384")
    servers+=("rouse/fiber/16k=$build/bin/bench_io_rouse_echo --style fiber --buffer 16384")
    servers+=("rouse/future/1k=$build/bin/bench_io_rouse_echo --style future --buffer 1024")
    servers+=("rouse/fiber/1k=$build/bin/bench_io_rouse_echo --style fiber --buffer 1024")
    compare -m idle -c "$idle_count"
    servers=()
    httpd
    peer nginx bench/io/peers/nginx.sh
    compare -m idle -P http -p /hello.txt -c "$idle_count"
}

# One task computes for 5 ms at a time. Two workers and the load generator share both cores.
work_mixed() {
    local connections

    servers=()
    rouse_echo --workers 2 --busy-ms 5
    peer tokio "$peers/peer_tokio_echo" --workers 2 --busy-ms 5
    peer go "$peers/peer_go_io" echo --workers 2 --busy-ms 5
    for connections in 50 1000; do
        compare -n mixed -m echo -c "$connections" -d 1 -S 0,1 -L 0,1
    done
}

# The instructions of a server's own code. Under callgrind Go does not run, and nginx is a script.
work_instructions() {
    local what counted=()

    command -v valgrind >/dev/null || { echo 'bench-io: without valgrind, no instructions' && return; }
    for what in echo http; do
        "${what}_servers"
        counted=()
        for server in "${servers[@]}"; do
            [[ $server == go=* || $server == nginx=* ]] || counted+=("$server")
        done
        servers=("${counted[@]}")
        compare -I -n "${what}_instructions" -m "$what" -p /hello.txt -c 50 -d 1 -r 1
    done
}

: >"$results"
for work in $works; do
    case $work in
    echo) work_echo ;;
    http) work_http ;;
    churn) work_churn ;;
    idle) work_idle ;;
    mixed) work_mixed ;;
    instructions) work_instructions ;;
    *) echo "bench-io: no work called $work" >&2 && exit 2 ;;
    esac
done
echo
echo "$rounds rounds of $seconds s on $(nproc) cores; the load of the machine now:" \
    "$(cut -d ' ' -f 1-3 /proc/loadavg)"
echo
bench/io/compare.sh "${form[@]}" -o "$results"
if command -v gnuplot >/dev/null; then
    rm -f build/bench/io.svg
    gnuplot -c bench/io/plot.gp "$results" build/bench/io.svg
    if [[ -s build/bench/io.svg ]]; then printf '\ndrawn in build/bench/io.svg\n'; fi
fi
exit "$failed"
