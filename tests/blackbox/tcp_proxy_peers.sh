#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs of others through tcp_proxy: ab, curl and h2load to nginx and to httpd, nginx as the
# client of the proxy, redis-benchmark to redis-server, pgbench to PostgreSQL, and iperf3. Each is
# left out, and says so, where it is not installed; nginx may lie in the build instead
# (scripts/fetch-tools.sh nginx). With ROUSE_TEST_FULL=1 each goes through it on
# all reactors, which takes a minute; else on the one that ROUSE_REACTOR says.
set -uo pipefail
# shellcheck source=tests/blackbox/tcp_proxy.bash
source "$(dirname "$0")/tcp_proxy.bash"

full=${ROUSE_TEST_FULL:-0}
if $sanitized && [[ $full != 1 ]]; then
    echo '1..0 # SKIP with a sanitizer only with ROUSE_TEST_FULL=1'
    exit 77
fi
PATH=$PATH:/usr/sbin:$build/tools
chmod 755 "$scratch"  # some of the servers run as another user

free_port() {
    "${prefix[@]}" "$peer" port
}

# answers PORT: somebody listens there, soon.
answers() {
    for _ in {1..400}; do
        (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.025
    done
    return 1
}

# A proxy in front of the server that listens on $upstream; the check goes through $port.
runs() {  # runs NAME CHECK REACTOR WORKERS
    claim "$1: the proxy starts ($3, $4)" server_start --to "127.0.0.1:$upstream" --reactor "$3" \
        --workers "$4"
    claim "$1 through it" "$2"
    claim "$1: the proxy ends in order" server_stops
}

runs_on_each() {  # runs_on_each NAME CHECK
    if [[ $full != 1 ]]; then
        runs "$1" "$2" "${ROUSE_REACTOR:-epoll}" 2
        return
    fi
    runs "$1" "$2" epoll 2
    runs "$1" "$2" poll 1
    runs "$1" "$2" io_uring 2
}

# missing NAME COMMAND...: true, and said, if one of them is not there.
missing() {
    local name=$1 command

    shift
    for command in "$@"; do
        command -v "$command" >/dev/null && continue
        skip "$name through it" "$command is not installed"
        return 0
    done
    return 1
}

# --- HTTP ----------------------------------------------------------------------------------------

site=$scratch/site
mkdir -p "$site"
chmod 755 "$site"
printf 'Hello, World!' >"$site/hello.txt"
head -c 5000000 /dev/urandom >"$site/large"

ab_finds_no_fault() {  # ab_finds_no_fault OPTION...
    timeout 60 ab -q "$@" "http://127.0.0.1:$port/hello.txt" || return
} >"$scratch/ab" 2>&1

http_works() {
    if command -v ab >/dev/null; then
        ab_finds_no_fault -n 4000 -c 50 -k && ab_finds_no_fault -n 2000 -c 50 || return
        cat "$scratch/ab"
        grep -qE '^Failed requests: +0$' "$scratch/ab" || return
        grep -qE '^Complete requests: +2000$' "$scratch/ab" || return
    fi
    for _ in 1 2 3; do
        curl -sS --max-time 20 --noproxy '*' "http://127.0.0.1:$port/large" |
            cmp - "$site/large" || return
    done
}

if ! missing httpd curl; then
    upstream=$(free_port)
    "${prefix[@]}" "$build/bin/httpd" --listen "127.0.0.1:$upstream" --root "$site" --workers 1 \
        >"$scratch/httpd" 2>&1 &
    others+=($!)
    httpd_port=$upstream
    claim 'httpd answers' answers "$upstream"
    runs_on_each 'ab and curl to httpd' http_works
fi

# Over HTTP/1.1 with --h1, else over HTTP/2.
h2load_finds_no_fault() {  # h2load_finds_no_fault OPTION...
    timeout 60 h2load -n 4000 -c 20 -m 8 "$@" "http://127.0.0.1:$port/hello.txt" |
        tee "$scratch/h2load" || return
    grep -qE '^requests: 4000 total, .* 4000 succeeded, 0 failed, 0 errored' "$scratch/h2load"
}

http_1_load_works() {
    h2load_finds_no_fault --h1
}

http_2_load_works() {
    h2load_finds_no_fault
}

# nginx_start NAME SERVERS: what stands in its "http".
nginx_start() {
    cat >"$scratch/$1.conf" <<END
daemon off;
master_process off;
pid $scratch/$1.pid;
error_log $scratch/$1.log;
events {}
http {
    access_log off;
    client_body_temp_path $scratch/nginx-body;
    proxy_temp_path $scratch/nginx-proxy;
    fastcgi_temp_path $scratch/nginx-fastcgi;
    uwsgi_temp_path $scratch/nginx-uwsgi;
    scgi_temp_path $scratch/nginx-scgi;
    $2
}
END
    timeout 120 nginx -c "$scratch/$1.conf" -e "$scratch/$1.log" >"$scratch/$1" 2>&1 &
    nginx_pid=$!
    others+=("$nginx_pid")
}

# The proxy is behind another nginx, which keeps connections to it.
nginx_as_client_works() {
    local proxy=$port status

    port=$(free_port)
    nginx_start front "
        upstream behind { server 127.0.0.1:$proxy; keepalive 8; }
        server {
            listen 127.0.0.1:$port;
            location / {
                proxy_pass http://behind;
                proxy_http_version 1.1;
                proxy_set_header Connection '';
            }
        }"
    answers "$port" && http_works
    status=$?
    kill -TERM "$nginx_pid" && wait "$nginx_pid"
    port=$proxy
    return "$status"
}

if [[ -n ${httpd_port:-} ]] && ! missing 'h2load to httpd' h2load; then
    upstream=$httpd_port
    runs_on_each 'h2load to httpd' http_1_load_works
fi

if ! missing nginx nginx curl; then
    upstream=$(free_port)
    http_2_port=$(free_port)
    nginx_start nginx "
        server {
            listen 127.0.0.1:$upstream;
            listen 127.0.0.1:$http_2_port http2;
            root $site;
        }"
    claim 'nginx answers' answers "$upstream"
    runs_on_each 'ab and curl to nginx' http_works
    runs_on_each 'nginx as client, to nginx,' nginx_as_client_works
    if ! missing 'h2load to nginx' h2load; then
        upstream=$http_2_port
        runs_on_each 'h2load over HTTP/2 to nginx' http_2_load_works
    fi
fi

# --- redis ---------------------------------------------------------------------------------------

redis_works() {
    local benchmark=(timeout 60 redis-benchmark -h 127.0.0.1 -p "$port" -c 20 -q)

    "${benchmark[@]}" -n 5000 -t ping,set,get,lpush || return
    "${benchmark[@]}" -n 20000 -P 16 -t set,get || return
    # A value of megabytes both ways.
    timeout 20 redis-cli -h 127.0.0.1 -p "$port" -x set large <"$site/large" | grep -q OK || return
    timeout 20 redis-cli -h 127.0.0.1 -p "$port" --raw get large | head -c 5000000 |
        cmp - "$site/large"
}

# The server is one program with the tool that looks through a dump, and is it by its name.
if ! command -v redis-server >/dev/null && command -v redis-check-rdb >/dev/null; then
    mkdir "$scratch/bin"
    ln -s "$(command -v redis-check-rdb)" "$scratch/bin/redis-server"
    PATH=$PATH:$scratch/bin
fi
if ! missing redis redis-server redis-benchmark redis-cli; then
    upstream=$(free_port)
    timeout 120 redis-server --bind 127.0.0.1 --port "$upstream" --save '' --appendonly no \
        --dir "$scratch" >"$scratch/redis" 2>&1 &
    others+=($!)
    claim 'redis-server answers' answers "$upstream"
    runs_on_each 'redis-benchmark' redis_works
fi

# --- PostgreSQL ----------------------------------------------------------------------------------

# PostgreSQL does not run as root.
as_user() {
    if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
}

postgres_works() {
    export PGHOST=127.0.0.1 PGPORT=$port PGUSER=tester PGDATABASE=postgres PGCONNECT_TIMEOUT=10
    timeout 60 pgbench -i -q -s 1 || return
    timeout 60 pgbench -c 8 -j 2 -t 50 >"$scratch/pgbench" || return
    cat "$scratch/pgbench"
    grep -qE 'actually processed: 400/400' "$scratch/pgbench" || return
    timeout 60 pgbench -c 8 -j 2 -t 200 -S -C
}

postgres_bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' 2>/dev/null | sort | tail -n 1)
if [[ -z $postgres_bin ]]; then
    skip 'pgbench through it' 'PostgreSQL is not installed'
elif ! missing pgbench pgbench runuser; then
    upstream=$(free_port)
    data=$scratch/postgres
    mkdir "$data"
    if ((EUID == 0)); then chown postgres "$data"; fi
    claim 'a database is made' as_user "$postgres_bin/initdb" -D "$data" -U tester -A trust \
        --no-sync
    as_user timeout 180 "$postgres_bin/postgres" -D "$data" -h 127.0.0.1 -p "$upstream" \
        -c unix_socket_directories='' -c fsync=off >"$scratch/postgres.log" 2>&1 &
    others+=($!)
    claim 'PostgreSQL answers' answers "$upstream"
    runs_on_each 'pgbench' postgres_works
    claim 'PostgreSQL ends' as_user "$postgres_bin/pg_ctl" stop -D "$data" -m immediate
fi

# --- iperf3 --------------------------------------------------------------------------------------

iperf_works() {
    timeout 30 iperf3 -c 127.0.0.1 -p "$port" -t 1 -P 2 || return
    timeout 30 iperf3 -c 127.0.0.1 -p "$port" -t 1 -P 2 -R
}

# iperf3 knows its connections by the order in which they come, and writes on both ends of one, and
# reads on neither, if another has overtaken it. With one worker none does.
iperf_works_both_ways() {
    timeout 30 iperf3 -c 127.0.0.1 -p "$port" -n 50M --bidir
}

if ! missing iperf3 iperf3; then
    upstream=$(free_port)
    timeout 120 iperf3 -s -B 127.0.0.1 -p "$upstream" >"$scratch/iperf3" 2>&1 &
    others+=($!)
    claim 'iperf3 answers' answers "$upstream"
    runs_on_each 'iperf3' iperf_works
    runs 'iperf3 both ways' iperf_works_both_ways "${ROUSE_REACTOR:-epoll}" 1
fi
finish
