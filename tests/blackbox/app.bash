# SPDX-License-Identifier: MIT
#
# What the tests of apps share: test points in TAP, and a server of one's own on a port of its
# choice. Sourced with `set -uo pipefail` in force and the server's name in `app`. Every wait has a
# limit, and what was started is ended by its process id.
export LC_ALL=C
: "${app:?}"

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
scratch=$(mktemp -d)
points=0
failures=0
server_pid=
others=()  # processes to be ended with the test
address=
port=
stopped=

if [[ ! -x $build/bin/$app ]]; then
    echo "1..0 # SKIP $app is not built"
    exit 77
fi

need() {  # need COMMAND...: or the whole test is skipped
    local name

    for name in "$@"; do
        command -v "$name" >/dev/null && continue
        echo "1..0 # SKIP needs $name"
        exit 77
    done
}

# ThreadSanitizer does not start on a memory layout that is too random.
prefix=()
if setarch -R true 2>/dev/null; then prefix=(setarch -R); fi
# shellcheck disable=SC2034
sanitized=false
if grep -qaE '__(asan|tsan)_init' "$build/bin/$app"; then sanitized=true; fi

cleanup() {
    local pid

    if [[ -n $server_pid ]]; then kill -KILL "$server_pid" 2>/dev/null; fi
    for pid in "${others[@]}"; do
        kill -TERM "$pid" && wait "$pid"
    done 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
trap : PIPE  # a server that closes fails a test, not the script
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- reporting -----------------------------------------------------------------------------------

# claim TEXT COMMAND...: one test point; the command's output is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/claim" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/claim"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

skip() {  # skip TEXT REASON
    points=$((points + 1))
    echo "ok $points - $1 # SKIP $2"
}

finish() {
    echo "1..$points"
    ((failures == 0))
}

# --- the server ----------------------------------------------------------------------------------

# server_start OPTION...: sets server_pid, address and port. Its output and errors are in files.
server_start() {
    local i

    : >"$scratch/stdout"
    : >"$scratch/stderr"
    set -m  # else bash starts children that ignore SIGINT and SIGQUIT
    "${prefix[@]}" "$build/bin/$app" --listen 127.0.0.1:0 "$@" \
        >"$scratch/stdout" 2>"$scratch/stderr" &
    server_pid=$!
    set +m
    for ((i = 0; i < 400; i++)); do
        address=$(sed -nE 's,^listening on (http://)?([^/]*)/?$,\2,p' "$scratch/stdout" | head -n 1)
        [[ -z $address ]] || break
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.025
    done
    port=${address##*:}
    [[ -n $address ]] || { cat "$scratch/stderr"; return 1; }
}

# Waits for the server to end by itself; sets `stopped` to its exit status, 124 if it did not.
server_wait() {  # server_wait SECONDS
    local i

    stopped=124
    for ((i = 0; i < $1 * 40; i++)); do
        if ! kill -0 "$server_pid" 2>/dev/null; then
            wait "$server_pid" 2>/dev/null
            stopped=$?
            server_pid=
            return
        fi
        sleep 0.025
    done
}

# Ends the server in order: it succeeds, and has complained about nothing.
server_stops() {
    kill -TERM "$server_pid"
    server_wait 15
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == 0 ]] && ! grep -qE "Sanitizer|rouse: |$app: |runtime error" "$scratch/stderr"
}

# The counts of what lives in the server, from the first line of a dump.
live_counts() {
    local before i line

    before=$(grep -c '^rouse dump: ' "$scratch/stderr")
    kill -QUIT "$server_pid"
    for ((i = 0; i < 200; i++)); do
        if (($(grep -c '^rouse dump: ' "$scratch/stderr") > before)); then break; fi
        sleep 0.025
    done
    line=$(grep '^rouse dump: ' "$scratch/stderr" | tail -n 1)
    grep -oE '[0-9]+ (tasks|timers|sources|stacks|sockets|blocking jobs)' <<<"$line" | tr '\n' ' '
}

# What lives in a server that has just started, once all of it has come to its first wait.
settled_counts() {
    local i counts=none now

    for ((i = 0; i < 20; i++)); do
        now=$(live_counts)
        if [[ $now == "$counts" ]]; then break; fi
        counts=$now
        sleep 0.1
    done
    echo "$counts"
}

# differs_from COUNTS: what lives in the server is soon something else.
differs_from() {
    local i

    for ((i = 0; i < 60; i++)); do
        [[ $(live_counts) == "$1" ]] || return 0
        sleep 0.1
    done
    echo "it is still: $1"
    return 1
}

# returns_to COUNTS: what lives in the server is soon as it was.
returns_to() {
    local i counts

    for ((i = 0; i < 60; i++)); do
        counts=$(live_counts)
        [[ $counts != "$1" ]] || return 0
        sleep 0.1
    done
    echo "it was: $1"
    echo "it is:  $counts"
    return 1
}
