# SPDX-License-Identifier: MIT
#
# What the tests of httpd share: test points in TAP, a server of one's own on a port of its choice,
# and talking to it byte by byte. Sourced with `set -uo pipefail` in force. Every wait has a limit,
# and what was started is ended by its process id.
export LC_ALL=C

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
scratch=$(mktemp -d)
points=0
failures=0
server_pid=
address=
port=
stopped=

if [[ ! -x $build/bin/httpd ]]; then
    echo '1..0 # SKIP httpd is not built'
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
if grep -qaE '__(asan|tsan)_init' "$build/bin/httpd"; then sanitized=true; fi

cleanup() {
    if [[ -n $server_pid ]]; then kill -KILL "$server_pid" 2>/dev/null; fi
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
    "${prefix[@]}" "$build/bin/httpd" --listen 127.0.0.1:0 "$@" \
        >"$scratch/stdout" 2>"$scratch/stderr" &
    server_pid=$!
    set +m
    for ((i = 0; i < 400; i++)); do
        address=$(sed -n 's|^listening on http://\([^/]*\)/$|\1|p' "$scratch/stdout" | head -n 1)
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
    [[ $stopped == 0 ]] && ! grep -qE 'Sanitizer|rouse: |httpd: |runtime error' "$scratch/stderr"
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

# --- talking to it -------------------------------------------------------------------------------

# send FD TEXT: as printf writes it, in one piece.
send() {
    # By way of a file: printf itself writes line by line.
    # shellcheck disable=SC2059
    printf "$2" >"$scratch/text.$BASHPID"
    cat "$scratch/text.$BASHPID" 2>/dev/null 1>&"$1"
}

# say TEXT...: sends each text some time after the one before, and prints what comes back until the
# server closes the connection.
say() {
    local connection text status

    exec {connection}<>"/dev/tcp/127.0.0.1/$port" || return
    for text in "$@"; do
        send "$connection" "$text"
        [[ $# == 1 ]] || sleep 0.1
    done
    timeout 10 cat <&"$connection"
    status=$?
    exec {connection}>&-
    return "$status"
}

# answered STATUS TEXT...: the first answer to what is said has this status; "none": there is none.
answered() {
    local expected=$1 got status

    shift
    got=$(say "$@" | tr -d '\0')
    status=$?
    echo "$got"
    if ((status == 124)); then
        echo 'the connection was not closed'
        return 1
    fi
    if [[ $expected == none ]]; then
        [[ -z $got ]]
    else
        [[ $got == "HTTP/1.1 $expected "* ]]
    fi
}

# fetch OPTION... PATH: curl with a limit, without help from the environment. The URL is as written.
fetch() {
    curl -sS --max-time 10 --noproxy '*' --path-as-is "${@:1:$#-1}" "http://$address${*: -1}"
}

# status_is STATUS OPTION... PATH
status_is() {
    local expected=$1 got

    shift
    got=$(fetch -o /dev/null -w '%{http_code}' "$@")
    echo "$got"
    [[ $got == "$expected" ]]
}
