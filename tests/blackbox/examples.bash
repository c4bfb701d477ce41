# SPDX-License-Identifier: MIT
#
# What the tests of examples share, for scripts to source: reporting in TAP, programs that end by
# themselves, and one server at a time. Sourced with `set -uo pipefail` in force. The programs are
# those of ROUSE_BUILD_DIR. Every wait has a limit, and what was started is ended by its process id.
export LC_ALL=C

tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
bin=$build/bin
if [[ ! -x $bin/howdy ]]; then
    echo '1..0 # SKIP the examples are not built'
    exit 77
fi

scratch=$(mktemp -d)
points=0
failures=0
server_pid=
server_output=
address=
declare -A started=()
nl=$'\n'  # for patterns

# Waits until the server has ended; sets `stopped` to its exit status.
server_wait() {
    wait "$server_pid" 2>/dev/null
    stopped=$?
    server_pid=
    exec {server_output}<&-
    cat "$scratch/stderr" >&2
}

# Ends it, if it runs.
server_stop() {
    stopped=none
    [[ -n $server_pid ]] || return 0
    kill "-${1:-TERM}" "$server_pid" 2>/dev/null
    server_wait
}

clean_up() {
    local pid

    server_stop KILL
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null
    done
    rm -rf "$scratch"
}

trap clean_up EXIT
trap : PIPE  # a server that closes fails a test, not the script
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ThreadSanitizer does not start on a memory layout that is too random.
prefix=()
if setarch -R true 2>/dev/null; then prefix=(setarch -R); fi

# --- reporting -----------------------------------------------------------------------------------

# claim TEXT COMMAND...: one test point; the command's output is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

skip() {
    points=$((points + 1))
    echo "ok $points - $1 # SKIP $2"
}

# --- programs that end by themselves --------------------------------------------------------------

run() {
    "${prefix[@]}" timeout 100 "$bin/$1" "${@:2}"
}

# start NAME PROGRAM ARGUMENT...: runs it beside the script; its output goes to the file NAME.
start() {
    run "${@:2}" >"$scratch/$1" 2>&1 &
    started[$1]=$!
}

# Waits for what was started under a name; sets `got` to its output. Not for a subshell, which has
# no children.
finish() {
    local status

    wait "${started[$1]}"
    status=$?
    unset "started[$1]"
    got=$(<"$scratch/$1")
    echo "$got"
    echo "exit status $status"
    return $status
}

fails_with() {
    local expected=$1 status

    shift
    "$@"
    status=$?
    echo "exit status $status"
    ((status == expected))
}

helps() {
    run "$1" --help | grep -q "^Usage: $1 "
}

# prints TEXT COMMAND...: exactly that.
prints() {
    local got

    got=$("${@:2}") || return
    echo "$got"
    [[ $got == "$1" ]]
}

# --- servers -------------------------------------------------------------------------------------

# server_start PROGRAM ARGUMENT...: sets server_pid and address.
server_start() {
    local line=

    exec {server_output}< <(exec "${prefix[@]}" "$bin/$1" --listen 127.0.0.1:0 "${@:2}" \
        2>"$scratch/stderr")
    server_pid=$!
    read -r -t 20 -u "$server_output" line
    echo "$line"
    address=${line#listening on }
    [[ $line =~ ^listening\ on\ 127\.0\.0\.1:[1-9][0-9]*$ ]]
}

server_ends_with_success() {
    server_stop "$1"
    echo "exit status $stopped"
    [[ $stopped == 0 ]]
}
