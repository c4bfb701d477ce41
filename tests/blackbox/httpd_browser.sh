#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A browser loads docs/site: a page of fifty pieces, each a request of its own. The page itself
# counts what has arrived and works; the access log says what was asked for.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [[ -z $browser ]]; then
    echo '1..0 # SKIP needs chromium'
    exit 77
fi

# Prints the page as it is when nothing more happens.
page_of() {
    HOME=$scratch timeout 40 "$browser" --headless --no-sandbox --disable-gpu --disable-quic \
        --no-first-run --disable-background-networking --disable-component-update --disable-sync \
        --disable-dev-shm-usage --no-proxy-server --user-data-dir="$scratch/profile.$1" \
        --virtual-time-budget=10000 --dump-dom "http://$address$2" 2>"$scratch/browser"
}

if ! HOME=$scratch timeout 40 "$browser" --headless --no-sandbox --disable-gpu \
    --user-data-dir="$scratch/profile" --dump-dom about:blank >/dev/null 2>&1; then
    echo '1..0 # SKIP the browser does not start here'
    exit 77
fi

all_pieces_arrive() {
    local page

    page=$(page_of "$1" /fifty/)
    grep -o '<p id="count">[^<]*' <<<"$page" || tail -n 5 "$scratch/browser"
    [[ $page == *'50 of 50 pieces arrived, the parts add up to 285'* ]]
}

first_page_is_whole() {
    page_of front / | grep -o '<h1>It serves</h1>' && asked_for 200 '/style\.css'
}

# asked_for STATUS PATTERN: lines of the log come late, by less than a second.
asked_for() {
    for _ in {1..20}; do
        if grep -qE "\"GET $2 HTTP/1\\.1\" $1 " "$scratch/log"; then return 0; fi
        sleep 0.1
    done
    cat "$scratch/log"
    return 1
}

# No piece was refused or asked for in vain.
nothing_failed() {
    asked_for 200 '/fifty/tile-29\.svg' || return
    ! grep -vE '" (200|304) [0-9]+ ' "$scratch/log"
}

for reactor in epoll poll; do
    rm -f "$scratch/log"
    claim "$reactor: the server starts" server_start --root "$tree/docs/site" --workers 2 \
        --reactor "$reactor" --access-log "$scratch/log"
    claim "$reactor: all fifty pieces arrive" all_pieces_arrive "$reactor"
    claim "$reactor: nothing failed" nothing_failed
    if [[ $reactor == epoll ]]; then claim 'the first page is whole' first_page_is_whole; fi
    claim "$reactor: it ends in order" server_stops
done
finish
