#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Puts tools that only tests use into the build, under ROUSE_BUILD_DIR/tools, by the names that they
# have in their registries, and installs nothing on the machine:
#
#     scripts/fetch-tools.sh [nginx] [promtool] [speedscope]
#
#   nginx        from Debian's package of that name, and
#   promtool     from prometheus: each would start a server if it were installed
#   speedscope   the npm package; it is a page, and nothing of it is run here
#
# What is there already is left as it is. What cannot be had, for want of a client or of a network,
# is left out with a line that says so; the tests that need it are skipped then.
set -uo pipefail

tools=${ROUSE_BUILD_DIR:-$(dirname "$0")/../build}/tools
mkdir -p "$tools" || exit
tools=$(cd "$tools" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

left_out() {
    echo "rouse: $1 is left out: $2"
}

# Into the current folder. Where the lists of packages have not been read yet, that comes first.
download() {
    local -a download=(apt-get -q -o APT::Sandbox::User=root download "$1")

    "${download[@]}" && return
    ((EUID == 0)) && apt-get -q update && "${download[@]}"
}

# from_package NAME PACKAGE PROGRAM: a program of a Debian package, by the path that it has there.
from_package() {
    local name=$1 package=$2 program=$3

    if [[ -x $tools/$name ]]; then return; fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        left_out "$name" 'there is no apt-get'
    elif ! (cd "$scratch" && timeout 120 bash -c "$(declare -f download); download $package") \
        >"$scratch/log" 2>&1; then
        left_out "$name" "$(tail -n 1 "$scratch/log")"
    else
        dpkg-deb --fsys-tarfile "$scratch/$package"_*.deb | tar -x -C "$scratch" "./$program" &&
            mv "$scratch/$program" "$tools/$name" && echo "rouse: $name lies in $tools"
    fi
}

fetch_speedscope() {
    if [[ -e $tools/node_modules/speedscope/dist/release/index.html ]]; then return; fi
    if ! command -v npm >/dev/null; then
        left_out speedscope 'there is no npm'
    elif ! timeout 120 npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund \
        speedscope@1 >"$scratch/log" 2>&1; then
        left_out speedscope "$(tail -n 1 "$scratch/log")"
    else
        echo "rouse: speedscope lies in $tools"
    fi
}

for tool in "$@"; do
    case $tool in
    nginx) from_package nginx nginx usr/sbin/nginx ;;
    promtool) from_package promtool prometheus usr/bin/promtool ;;
    speedscope) fetch_speedscope ;;
    *)
        echo "fetch-tools.sh: unknown tool: $tool" >&2
        exit 2
        ;;
    esac
done
