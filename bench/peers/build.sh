#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the peers as their users would, without a network:
#
#     bench/peers/build.sh [DIRECTORY]      DIRECTORY: default build/bench
#
# makes DIRECTORY/peer_tokio, peer_go, peer_asio and peer_libuv. scripts/install-deps.sh peers gets
# what this needs from Debian's packages.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1:-} == --help ]]; then
    sed -n '4,9s/^# \{0,1\}//p' "$here/build.sh"
    exit 0
fi
out=${1:-$here/../../build/bench}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

build_tokio() (
    cd tokio  # cargo looks for .cargo/config.toml from here
    # The lock file belongs to the packages that are installed, not to the repository.
    rm -f Cargo.lock
    cargo build --quiet --release --offline --target-dir "$out/tokio"
    rm -f Cargo.lock
    cp "$out/tokio/release/peer_tokio" "$out"
)

build_go() (
    cd go
    GOFLAGS=-mod=mod GOPROXY=off go build -trimpath -buildvcs=false -o "$out/peer_go" .
)

build_asio() {
    "${CXX:-g++}" -std=c++20 -O3 -flto=auto -DNDEBUG -Wall -Wextra -pthread -o "$out/peer_asio" \
        asio/*.cpp
}

build_libuv() {
    # shellcheck disable=SC2046 # flags are words
    "${CC:-cc}" -std=c17 -D_GNU_SOURCE -O3 -flto -DNDEBUG -Wall -Wextra -I.. -o "$out/peer_libuv" \
        libuv/*.c ../bench.c $(pkg-config --cflags --libs libuv)
}

build_tokio
build_go
build_asio
build_libuv
