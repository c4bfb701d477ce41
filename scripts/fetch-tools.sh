#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Puts tools that only tests use into the build, under ROUSE_BUILD_DIR/tools, by the names that they
# have in their registries, and installs nothing on the machine:
#
#     scripts/fetch-tools.sh [promtool] [speedscope]
#
#   promtool     from Debian's package prometheus, which would start a server if it were installed
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

fetch_promtool() {
    if [[ -x $tools/promtool ]]; then return; fi
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        left_out promtool 'there is no apt-get'
    elif ! (cd "$scratch" && timeout 120 bash -c "$(declare -f download); download prometheus") \
        >"$scratch/log" 2>&1; then
        left_out promtool "$(tail -n 1 "$scratch/log")"
    else
        dpkg-deb --fsys-tarfile "$scratch"/prometheus_*.deb |
            tar -x -C "$scratch" ./usr/bin/promtool && mv "$scratch/usr/bin/promtool" "$tools" &&
            echo "rouse: promtool lies in $tools"
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
    promtool | speedscope) "fetch_$tool" ;;
    *)
        echo "fetch-tools.sh: unknown tool: $tool" >&2
        exit 2
        ;;
    esac
done
