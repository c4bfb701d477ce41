# SPDX-License-Identifier: MIT
#
# What the tests of tcp_proxy share: a proxy, see app.bash, and the peers at both of its ends, see
# peer.c.
# shellcheck disable=SC2034
app=tcp_proxy
# shellcheck source=tests/blackbox/app.bash
source "$(dirname "${BASH_SOURCE[0]}")/app.bash"

peer=$build/tests/blackbox_peer
if [[ ! -x $peer ]]; then
    echo '1..0 # SKIP the peers are not built'
    exit 77
fi

upstream=  # the port on which a scene listens

# proxy_start OPTION...: in front of nobody, until a scene is played.
proxy_start() {
    upstream=$("${prefix[@]}" "$peer" port) || return
    server_start --to "127.0.0.1:$upstream" "$@"
}

# scene NAME: plays it through the proxy.
scene() {
    timeout 60 "${prefix[@]}" "$peer" "$1" "$port" "$upstream"
}

# A scene in the background that says "held" when its connection stands; sets `held`.
scene_begin() {  # scene_begin NAME
    : >"$scratch/held"  # of an earlier one
    exec {held_input}> >(exec timeout 60 "${prefix[@]}" "$peer" "$1" "$port" "$upstream" \
        >>"$scratch/held" 2>&1)
    held=$!
    for _ in {1..400}; do
        if grep -q '^held' "$scratch/held"; then return 0; fi
        sleep 0.025
    done
    cat "$scratch/held"
    return 1
}

# Lets it go on, and waits for its end.
scene_end() {
    exec {held_input}>&-
    wait "$held"
    local status=$?

    cat "$scratch/held"
    return "$status"
}
