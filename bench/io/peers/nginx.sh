#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# nginx as an HTTP server of 13 bytes: one process, no access log, its configuration in a folder of
# its own that is gone once it runs. Takes --listen 127.0.0.1:PORT, where port 0 is a free one, and
# prints "listening on ADDR:PORT", as the other servers do; it becomes nginx, and ends at SIGTERM.
set -euo pipefail

if [[ ${1:-} == --help ]]; then
    sed -n '4,6s/^# \{0,1\}//p' "$0"
    exit 0
fi
address=127.0.0.1:0
if [[ ${1:-} == --listen ]]; then address=${2:?--listen needs ADDR:PORT}; fi
host=${address%:*} port=${address##*:}
PATH=$PATH:/usr/sbin:$(cd "$(dirname "$0")/../../.." && pwd)/build/tools
command -v nginx >/dev/null || {
    echo 'nginx.sh: there is no nginx; scripts/fetch-tools.sh nginx gets it' >&2
    exit 1
}

answers() {
    (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null
}

# nginx cannot say which port it was given, so one is looked for that nobody listens on.
while [[ $port == 0 ]]; do
    port=$((20000 + RANDOM % 10000))
    if answers "$port"; then port=0; fi
done

scratch=$(mktemp -d)
cat >"$scratch/nginx.conf" <<END
daemon off;
master_process off;
pid $scratch/pid;
error_log stderr crit;
worker_rlimit_nofile 65536;
events {
    worker_connections 20000;
    multi_accept on;
}
http {
    access_log off;
    keepalive_requests 4000000000;
    keepalive_timeout 600s;
    default_type text/plain;
    client_body_temp_path $scratch/body;
    proxy_temp_path $scratch/proxy;
    fastcgi_temp_path $scratch/fastcgi;
    uwsgi_temp_path $scratch/uwsgi;
    scgi_temp_path $scratch/scgi;
    server {
        listen $host:$port backlog=4096;
        location / { return 200 "Hello, World!"; }
    }
}
END

# Beside nginx: says when it listens, and clears up.
(
    for ((i = 0; i < 100; i++)); do
        if answers "$port"; then
            echo "listening on $host:$port"
            break
        fi
        sleep 0.05
    done
    rm -rf "$scratch"
) &
exec nginx -p "$scratch" -c "$scratch/nginx.conf" 2>&1
