#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of datagrams and of descriptors over Unix sockets.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

# One datagram is one read. There is none with a line's end in it: bash would send it in parts.
datagram_back() {
    timeout 20 dd bs=65536 count=1 status=none <&"$connection"
}

echoes_datagrams() {
    local connection got=

    exec {connection}<>"/dev/udp/${address%:*}/${address#*:}" || return
    printf 'one' >&"$connection" && got+=$(datagram_back)
    printf '%3000s' long >&"$connection"  # its buffer has 2048 bytes
    printf ' two' >&"$connection" && got+=$(datagram_back)
    exec {connection}<&-
    echo "$got"
    [[ $got == 'one two' ]]
}

echoes_many_at_once() {
    local connection i got=

    exec {connection}<>"/dev/udp/${address%:*}/${address#*:}" || return
    for i in {1..40}; do printf '%d ' "$i" >&"$connection"; done
    for i in {1..40}; do got+=$(datagram_back); done
    exec {connection}<&-
    echo "$got"
    [[ $got == "$(seq -s ' ' 40) " ]]
}

for name in udp_echo fd_passing; do
    claim "$name --help says how to use it" helps "$name"
    claim "$name refuses what it does not know" fails_with 2 run "$name" --nonsense
done
claim 'udp_echo says why it cannot listen' fails_with 1 run udp_echo --listen 192.0.2.1:7
for reactor in epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "udp_echo listens on $reactor" server_start udp_echo
    claim "udp_echo sends back what fits on $reactor" echoes_datagrams
    claim "udp_echo sends back many at once on $reactor" echoes_many_at_once
    server_stop TERM
    unset ROUSE_REACTOR
done

printf 'first line\nsecond line\n' >"$scratch/file"
claim 'fd_passing reads files that another task has opened' \
    prints "user $EUID asks$nl$scratch/file: first line$nl$scratch/file: first line" \
    run fd_passing "$scratch/file" "$scratch/file"
claim 'fd_passing says which file cannot be opened' fails_with 1 run fd_passing "$scratch/none"

echo "1..$points"
((failures == 0))
