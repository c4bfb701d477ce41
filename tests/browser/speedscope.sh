#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# speedscope, in a browser, opens a trace that ROUSE_TRACE has written: it shows a profile for each
# worker, and no poll inside another. The page lies in the build (scripts/fetch-tools.sh
# speedscope); no network is used. Pictures of what it shows stay in the build, in tests/pictures.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/../blackbox/examples.bash"

page=$build/tools/node_modules/speedscope/dist/release/index.html
pictures=$build/tests/pictures
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)

if [[ -z $browser ]]; then
    echo '1..0 # SKIP needs chromium'
    exit 77
fi
if [[ ! -e $page ]]; then
    echo '1..0 # SKIP needs speedscope: scripts/fetch-tools.sh speedscope'
    exit 77
fi

# browse OPTION... ADDRESS: prints the page as it is when nothing more happens.
browse() {
    HOME=$scratch timeout 40 "$browser" --headless --no-sandbox --disable-gpu --no-first-run \
        --enable-unsafe-swiftshader --disable-background-networking --disable-component-update \
        --disable-sync --disable-dev-shm-usage --no-proxy-server --window-size=1200,800 \
        --user-data-dir="$scratch/profile" --virtual-time-budget=10000 --dump-dom "$@" \
        2>"$scratch/browser"
}

if ! browse about:blank >/dev/null; then
    echo '1..0 # SKIP the browser does not start here'
    exit 77
fi

# opens PICTURE [SCRIPT]: has speedscope load the trace as its own command line does: by a script
# that carries it; and runs another one then. The browser goes by a clock of its own, and may print
# the page before the trace is in it: it is asked again then.
opens() {
    local attempt

    for attempt in {1..4}; do
        if opens_once "$@"; then return; fi
    done
    echo "no trace in $attempt attempts"
    return 1
}

opens_once() {
    {
        printf 'speedscope.loadFileFromBase64("trace.json", "'
        base64 -w0 "$scratch/trace.json"
        printf '");\n%s\n' "${2:-}"
    } >"$scratch/trace.js"
    mkdir -p "$pictures"
    browse --screenshot="$pictures/$1.png" "file://$page#localProfilePath=$scratch/trace.js" \
        >"$scratch/dom"
    cat "$scratch/browser"
    # One text a line: what stands between tags.
    sed 's/<[^>]*>/\n/g' "$scratch/dom" | grep -v '^[[:space:]]*$' >"$scratch/texts"
    shows '^trace.json - speedscope$'
}

shows() {  # shows PATTERN...: texts of the page
    local pattern

    cat "$scratch/texts"
    for pattern in "$@"; do
        grep -qE -- "$pattern" "$scratch/texts" || { echo "missing: $pattern"; return 1; }
    done
}

# The first profile that it shows is a worker's, of three.
shows_workers() {
    shows '^rouse \(pid [0-9]+\), runtime-1 worker 0 \(tid [0-9]+\) $' '^\(1/3\)$' \
        'runtime-1 worker 1 ' 'other threads '
}

# Polls that follow one another at once, wakes from elsewhere, sleeps.
writes_trace() {
    ROUSE_WORKERS=2 ROUSE_TRACE=$scratch/trace.json run metrics --tasks 64 >/dev/null
}

# Presses the key for the table of all that has run, and draws on. The page may be printed before
# the rows are in the table, too. And it shows the first worker, which may have left all to the
# other: then another trace is written, and the browser begins anew.
opens_table() {
    local attempt

    for attempt in {1..10}; do
        opens speedscope_table 'setTimeout(() => window.dispatchEvent(
            new KeyboardEvent("keypress", {key: "3"})), 1000);
            (function draw() { requestAnimationFrame(draw); })();' || return
        if (($(rows | wc -l) >= 10)); then return; fi
        rm -rf "$scratch/profile"
        writes_trace || return
    done
    echo "no rows in $attempt attempts"
    return 1
}

# The rows of the table, each a total, a self, and a name.
rows() {
    sed '1,/^Symbol Name$/d' "$scratch/texts" | paste -d '|' - - -
}

# The time of each row by itself, and with what was inside it, which is nothing.
nothing_is_inside() {
    rows | awk -F '|' '{ print } /task/ && $1 != $2 { bad = 1 } END { exit bad }'
}

are_pictures() {
    local picture

    for picture in "$pictures"/speedscope_{lanes,table}.png; do
        [[ $(head -c 4 "$picture" | tail -c 3) == PNG ]] || return
    done
}

claim 'a program writes a trace' writes_trace
claim 'speedscope opens it' opens speedscope_lanes
claim 'and shows a profile for each worker' shows_workers
claim 'its table has all that has run' opens_table
claim 'and nothing that has run inside another' nothing_is_inside
claim 'pictures of both stay' are_pictures

echo "1..$points"
((failures == 0))
