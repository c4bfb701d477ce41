#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Starts the HTTP server on docs/site, at the first free port from 8080 on, with its console and the
# buttons of the demo, says what to try, and stays until Ctrl-C. With --check, or in CI without a
# terminal, it fetches the page and the console once and presses a button instead, stops the server,
# and ends with 0 if all of it went well.
set -euo pipefail

cd "$(dirname "$0")/.."
httpd=build/bin/httpd
root=docs/site
check=false
if [[ ${1:-} == --check || (-n ${CI:-} && ! -t 0) ]]; then check=true; fi

for needed in "$httpd" "$root"; do
    if [[ ! -e $needed ]]; then
        echo "demo: $needed is not there; \"make\" builds the server" >&2
        exit 1
    fi
done

is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

pid=
stop() {
    if [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null; then
        kill -TERM "$pid"
    fi
}
trap stop EXIT

# The console's usual port, if it is free.
console=127.0.0.1:6669
if is_taken "${console#*:}"; then console=127.0.0.1:0; fi

# start PORT: true once the server listens there; false if it ended instead.
start() {
    # With job control; without it bash starts children that ignore SIGINT and SIGQUIT.
    set -m
    "$httpd" --root "$root" --listen "127.0.0.1:$1" --console="$console" --allow-control --demo &
    pid=$!
    set +m
    for _ in {1..100}; do
        kill -0 "$pid" 2>/dev/null || return 1
        if is_taken "$1"; then return 0; fi
        sleep 0.05
    done
    return 1
}

url=
for port in {8080..8099}; do
    is_taken "$port" && continue
    if start "$port"; then
        url=http://127.0.0.1:$port/
        break
    fi
    stop
    wait "$pid" || true
done
if [[ -z $url ]]; then
    echo "demo: the server started on none of the ports 8080 to 8099" >&2
    exit 1
fi

# ask WORD...: by curl; prints the status, the size of the answer, and the address it came from.
ask() {
    curl -sS --max-time 10 -o /dev/null -w '%{http_code} %{size_download} %{url_effective}\n' "$@"
}

if $check; then
    read -r code size _ < <(ask "$url")
    read -r seen console_size console_url < <(ask -L -H 'Accept: text/html' "${url}console")
    read -r pressed _ < <(ask -X POST -H 'X-Rouse-Console: 1' "${console_url}action/fork-join")
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    echo "demo: $url answered $code with $size bytes; the server ended with $status"
    echo "demo: its console at $console_url: $seen, $console_size bytes; a button: $pressed"
    [[ $code == 200 && $size -gt 0 && $status == 0 ]] &&
        [[ $seen == 200 && $console_size -gt 10000 && $pressed == 202 ]]
    exit
fi

cat <<EOF

rouse serves $root at $url  (Ctrl-C ends it)

  see what it does      ${url}console
                        in a browser: its workers, tasks and times, and buttons to press

  fetch a page          curl -i $url
  put load on it        wrk -t2 -c100 -d5s $url
  see what each task    kill -QUIT $pid
  is waiting for        (the server prints it here and goes on)

EOF
trap stop INT TERM
while kill -0 "$pid" 2>/dev/null; do
    wait "$pid" || true
done
