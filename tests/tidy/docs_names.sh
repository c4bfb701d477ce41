#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Keeps the documents true to the tree, and prints TAP. In README.md and the other documents:
#
#   names      each rs_, rouse_, RS_ or ROUSE_ name is one of include/, src/ or the build's; a name
#              that ends in "_" stands for all that begin so
#   functions  each `name()` is called or defined somewhere in the code
#   paths      each `folder/file` and each link leads to something that is there; one that says NAME
#              stands for others
set -euo pipefail
export LC_ALL=C

cd "$(dirname "$0")/../.."
shopt -s nullglob
documents=(README.md CHANGELOG.md CONTRIBUTING.md docs/*.md)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
points=0
failures=0

# report RULE CLAIM FILE: the claim holds if the file, a list of what is wrong, is empty.
report() {
    points=$((points + 1))
    if [[ -s $3 ]]; then
        sed 's/^/# /' "$3"
        echo "not ok $points - $1: $2"
        failures=$((failures + 1))
    else
        echo "ok $points - $1: $2"
    fi
}

# Every word of the code, once.
words() {
    find "$@" -type f \( -name '*.[chS]' -o -name '*.cpp' -o -name '*.sh' -o -name '*.cmake' \
        -o -name '*.in' -o -name 'CMakeLists.txt' -o -name '*.map' \) -exec cat {} + |
        grep -oE '[A-Za-z_][A-Za-z0-9_]*' | sort -u
}

words include src cmake CMakeLists.txt >"$scratch/ours"
words include src apps examples bench tests scripts >"$scratch/all"
{
    grep -noE '\b(rs|rouse|RS|ROUSE)_[A-Za-z0-9_]+' "${documents[@]}" || true
} >"$scratch/names"
while IFS=: read -r file line name; do
    if [[ $name == *_ ]]; then
        grep -q "^$name" "$scratch/ours" || echo "$file:$line: nothing begins with $name"
    else
        grep -qx "$name" "$scratch/ours" || echo "$file:$line: $name"
    fi
done <"$scratch/names" >"$scratch/wrong"
report names 'every name of ours in a document exists' "$scratch/wrong"

{
    grep -noE '`[A-Za-z_][A-Za-z0-9_]*\(\)`' "${documents[@]}" | tr -d '`()' || true
} >"$scratch/functions"
while IFS=: read -r file line name; do
    grep -qx "$name" "$scratch/all" || echo "$file:$line: $name()"
done <"$scratch/functions" >"$scratch/wrong"
report functions 'every function named in a document exists' "$scratch/wrong"

{
    folders='src|include|tests|docs|examples|apps|bench|scripts|cmake|tools'
    grep -noE "\`($folders)/[A-Za-z0-9_./-]*\`" \
        "${documents[@]}" | tr -d '`' || true
} >"$scratch/paths"
while IFS=: read -r file line path; do
    [[ $path == *NAME* || -e $path ]] || echo "$file:$line: $path"
done <"$scratch/paths" >"$scratch/wrong"
{
    grep -noE '\]\([A-Za-z0-9_./-]+' "${documents[@]}" | sed 's/](//' || true
} >"$scratch/links"
while IFS=: read -r file line path; do
    [[ $path == http* || -e $(dirname "$file")/$path ]] || echo "$file:$line: $path"
done <"$scratch/links" >>"$scratch/wrong"
report paths 'every path and link in a document leads somewhere' "$scratch/wrong"

echo "1..$points"
((failures == 0))
