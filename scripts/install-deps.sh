#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Makes sure that the tools for each named purpose are there:
#
#     scripts/install-deps.sh build format ci
#
# A tool that is missing is installed by its Debian package name, with sudo if we are not root.
# Nothing is touched, and nothing printed, when all of them are there.
set -euo pipefail

# What each purpose needs, as "command:package" or, for a package without a command, "-:package".
needs() {
    case $1 in
    build) echo cmake:cmake ninja:ninja-build cc:gcc ;;
    format) echo clang-format-14:clang-format-14 ;;
    mutants) echo objdump:binutils addr2line:binutils ;;
    arm64)
        echo aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
        echo aarch64-linux-gnu-g++:g++-aarch64-linux-gnu
        echo qemu-aarch64:qemu-user -:libc6-dev-arm64-cross
        ;;
    fuzz) echo clang-14:clang-14 -:libclang-rt-14-dev ;;
    coverage) echo gcov:gcc gcovr:gcovr ;;
    valgrind) echo valgrind:valgrind ;;
    debug) echo gdb:gdb ;;
    load) echo wrk:wrk curl:curl ;;
    proxy-peers)  # PostgreSQL is used where it is, but not installed: that would start it. So
        # would nginx, which scripts/fetch-tools.sh gets; redis-server lies in redis-tools, too
        echo curl:curl ab:apache2-utils h2load:nghttp2-client redis-benchmark:redis-tools
        echo iperf3:iperf3
        ;;
    browser) echo chromium:chromium ;;
    networks) echo ip:iproute2 nft:nftables unshare:util-linux ;;
    peers)
        echo cargo:cargo -:librust-tokio-dev go:golang-go g++:g++ -:libasio-dev
        echo cc:gcc -:libuv1-dev pkg-config:pkg-config gnuplot:gnuplot-nox
        ;;
    bench-io)  # and nginx: by scripts/fetch-tools.sh, since to install it would start it
        echo cargo:cargo -:librust-tokio-dev -:librust-hyper-dev go:golang-go
        echo cc:gcc -:libuv1-dev pkg-config:pkg-config gnuplot:gnuplot-nox taskset:util-linux
        ;;
    ci)
        needs build
        needs format
        needs load
        needs networks
        needs fuzz
        needs mutants
        needs arm64
        needs coverage
        needs valgrind
        needs debug
        needs browser
        needs proxy-peers
        echo g++:g++ pkg-config:pkg-config nm:binutils
        echo -:libhttp-parser-dev ab:apache2-utils h2load:nghttp2-client
        echo llvm-ar-14:llvm-14 setarch:util-linux git:git make:make
        ;;
    *)
        echo "install-deps.sh: unknown purpose: $1" >&2
        return 1
        ;;
    esac
}

# Where the tools of an administrator lie is not in everyone's path.
PATH=$PATH:/usr/sbin:/sbin

have() {
    local command=$1 package=$2

    if [[ $command != - ]]; then
        command -v "$command" >/dev/null
    else
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]]
    fi
}

missing=()
for purpose in "$@"; do
    for need in $(needs "$purpose"); do
        have "${need%%:*}" "${need#*:}" || missing+=("${need#*:}")
    done
done
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then as_root=(sudo); fi
if ! have apt-get - || { ((EUID != 0)) && ! have sudo -; }; then
    echo "rouse: please install what these Debian packages hold: ${missing[*]}" >&2
    exit 1
fi
echo "rouse: installing with apt-get: ${missing[*]}"
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "${missing[@]}")
if ! "${install[@]}" >/dev/null 2>&1; then
    "${as_root[@]}" apt-get update -q >/dev/null
    "${install[@]}" >/dev/null
fi
