#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Does what a reader of a document would do, and fails where the document is wrong:
#
#   - each block fenced as "sh" is run, in the top folder, as one script that must succeed;
#   - each block fenced as "c" that has a main() is compiled and linked with the built library;
#   - any other block fenced as "c" must stand, word for word, in a file of examples/.
#
# Blocks fenced otherwise ("console", "text") are for reading only.
#
#     scripts/readme-check.sh [-r COMMAND] FILE...
#
# -r: a block that consists of this command has been run already, by the caller.
set -euo pipefail

cd "$(dirname "$0")/.."
ran=
if [[ ${1:-} == -r ]]; then
    ran=$2
    shift 2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# Writes the blocks of a document to files named by the line on which each one begins.
split() {
    awk -v to="$scratch/" '
        /^```/ && block == "" && /^```(sh|c)$/ { block = to NR "." substr($0, 4); next }
        /^```/ { close(block); block = ""; next }
        block != "" { print > block }' "$1"
}

# try PLACE COMMAND...
try() {
    local place=$1

    shift
    if "$@" >"$scratch/output" 2>&1 </dev/null; then
        echo "ok - $place"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok - $place"
        failures=$((failures + 1))
    fi
}

is_quoted() {
    local example

    for example in examples/*; do
        if [[ $(<"$example") == *"$(<"$1")"* ]]; then return 0; fi
    done
    echo "no file of examples/ contains this block"
    return 1
}

for document in "$@"; do
    rm -f "$scratch"/*
    split "$document"
    for block in $(find "$scratch" -name '*.sh' -o -name '*.c' | sort -V); do
        name=${block##*/}
        if [[ -n $ran && $(<"$block") == "$ran" ]]; then
            echo "ok - $document:${name%.*}: has been run"
        elif [[ $name == *.sh ]]; then
            try "$document:${name%.*}" timeout 300 bash -euo pipefail "$block"
        elif grep -q '\bmain(' "$block"; then
            try "$document:${name%.*}" "${CC:-cc}" -Wall -Wextra -Iinclude "$block" \
                -o "$scratch/program" -Lbuild/lib -lrouse
        else
            try "$document:${name%.*}: is quoted from examples/" is_quoted "$block"
        fi
    done
done
((failures == 0))
