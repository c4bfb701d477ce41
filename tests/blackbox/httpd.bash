# SPDX-License-Identifier: MIT
#
# What the tests of httpd share: a server, see app.bash, and talking to it byte by byte.
# shellcheck disable=SC2034
app=httpd
# shellcheck source=tests/blackbox/app.bash
source "$(dirname "${BASH_SOURCE[0]}")/app.bash"

# The clock, in microseconds.
now_us() {
    local now=$EPOCHREALTIME  # the point is a comma in some locales

    echo "${now/[.,]/}"
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

# --- with a console ------------------------------------------------------------------------------

# serve OPTION...: starts a server; where its console is, if it has one, stands in $console.
serve() {
    server_start --root "$tree/docs/site" --workers 2 "$@" || return
    console=$(sed -n 's,^console at ,,p' "$scratch/stdout")
}

leads_to_console() {
    local location

    location=$(fetch -o /dev/null -w '%{http_code} %{redirect_url}' /console)
    echo "$location"
    [[ $location == "307 $console" ]]
}
