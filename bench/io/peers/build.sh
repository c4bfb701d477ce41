#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the servers of the peers as their users would, without a network:
#
#     bench/io/peers/build.sh [DIRECTORY]      DIRECTORY: default build/bench
#
# makes DIRECTORY/peer_tokio_echo, peer_hyper_http, peer_go_io and peer_libuv_io. What is not
# installed is left out, with a word on standard error; scripts/install-deps.sh bench-io gets it
# from Debian's packages. What is installed and does not build is an error.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1:-} == --help ]]; then
    sed -n '4,10s/^# \{0,1\}//p' "$here/build.sh"
    exit 0
fi
out=${1:-$here/../../../build/bench}
mkdir -p "$out"
out=$(cd "$out" && pwd)
registry=/usr/share/cargo/registry
cd "$here"

# has CRATE: a package of Debian's has put it where cargo looks for it.
has() {
    compgen -G "$registry/$1-[0-9]*" >/dev/null
}

without() {
    echo "bench-io: without $1: $2 is not installed" >&2
}

# build_rust FOLDER PROGRAM
build_rust() (
    cd "$1"  # cargo looks for .cargo/config.toml from here
    # The lock file belongs to the packages that are installed, not to the repository.
    rm -f Cargo.lock
    cargo build --quiet --release --offline --target-dir "$out/$1-io"
    rm -f Cargo.lock
    cp "$out/$1-io/release/$2" "$out"
)

build_go() (
    cd go
    GOFLAGS=-mod=mod GOPROXY=off go build -trimpath -buildvcs=false -o "$out/peer_go_io" .
)

build_libuv() {
    # shellcheck disable=SC2046 # flags are words
    "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O3 -DNDEBUG -Wall -Wextra -I.. -o "$out/peer_libuv_io" \
        libuv/main.c ../common.c $(pkg-config --cflags --libs libuv)
}

# Nothing that an earlier build has left.
rm -f "$out"/peer_{tokio_echo,hyper_http,go_io,libuv_io}
if ! command -v cargo >/dev/null; then
    without 'Tokio and hyper' cargo
else
    if has tokio; then build_rust tokio peer_tokio_echo; else without Tokio librust-tokio-dev; fi
    if has hyper; then build_rust hyper peer_hyper_http; else without hyper librust-hyper-dev; fi
fi
if command -v go >/dev/null; then build_go; else without Go golang-go; fi
if pkg-config --exists libuv 2>/dev/null; then build_libuv; else without libuv libuv1-dev; fi
