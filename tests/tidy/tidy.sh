#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Checks what a tool can check in the style guide, and prints TAP. Rules about the text of files are
# in the C program next to this script; here are those that need a compiler or a linker's view:
#
#   header-c     each public header compiles alone as C11, with every compiler there is
#   header-c++   each public header compiles alone as C++17
#   format       clang-format 14 has nothing to change
#   atomic-uses  no atomic object is read or written by a plain expression (clang)
#   exports      librouse.so exports names that begin with rouse_, and no others
#   globals      librouse.a defines names that begin with rouse_ or rs_, and no others
#   scripts      shellcheck has no warning
#
# ROUSE_BUILD_DIR is where the libraries were built. A tool that is not there skips its rules.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "$0")/../.."
build=${ROUSE_BUILD_DIR:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
points=0
failures=0

have() {
    command -v "$1" >/dev/null
}

clang_cc=clang
have clang || clang_cc="clang-14"

# check KEY CLAIM COMMAND...: one test point; what the command prints is shown if it fails.
check() {
    local key=$1 claim=$2

    shift 2
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok - $key: $claim"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok - $key: $claim"
        failures=$((failures + 1))
    fi
}

skip() {
    points=$((points + 1))
    echo "ok - $1 # SKIP $2"
}

files() {
    find include src apps bench examples tests -type f \( -name '*.c' -o -name '*.h' \
        -o -name '*.S' -o "$@" \) 2>/dev/null | sort
}

text_rules() {
    mapfile -t all < <(files -name '*.sh' -o -name '*.cmake' -o -name CMakeLists.txt
        find scripts cmake -type f 2>/dev/null | sort)
    "${CC:-cc}" -std=c17 -O1 -Wall -Wextra -Wpedantic -o "$scratch/tidy" tests/tidy/*.c
    "$scratch/tidy" tests/tidy/layers.txt tests/tidy/waivers.txt "${all[@]}" >"$scratch/rules" ||
        failures=$((failures + 1))
    cat "$scratch/rules"
    points=$((points + $(grep -c -E '^(not )?ok ' "$scratch/rules")))
}

public_headers() {
    (cd include && find . -name '*.h' | sed 's,^\./,,' | sort)
}

# compile_alone LANGUAGE COMPILER FLAGS...
compile_alone() {
    local language=$1 header failed=0

    shift
    for header in $(public_headers); do
        printf '#include <%s>\n' "$header" | "$@" -x "$language" -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only -Iinclude - || failed=1
    done
    return $failed
}

# With the GNU dialect's macros without underscores, `unix` and `linux`, as many programs are built.
compile_as_gnu() {
    echo '#include <rouse.h>' |
        gcc -std=gnu17 -x c -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -
}

header_rules() {
    local compiler

    if have gcc; then
        check header-gnu "all public headers compile as GNU C17" compile_as_gnu
    fi
    for compiler in gcc "$clang_cc"; do
        if have "$compiler"; then
            check header-c "public headers compile alone as C11 ($compiler)" \
                compile_alone c "$compiler" -std=c11
        fi
    done
    for compiler in g++ "${clang_cc/clang/clang++}"; do
        if have "$compiler"; then
            check header-c++ "public headers compile alone as C++17 ($compiler)" \
                compile_alone c++ "$compiler" -std=c++17
        fi
    done
}

# Another version formats differently; the number in a package's name is its version.
formatter() {
    local tool

    for tool in "clang-format-14" "clang-format"; do
        if "$tool" --version 2>/dev/null | grep -q 'version 14\.'; then
            echo "$tool"
            return
        fi
    done
}

format_rule() {
    local tool

    tool=$(formatter)
    if [[ -z $tool ]]; then
        skip format 'needs clang-format 14'
    else
        mapfile -t all < <(files -name '*.cpp' | grep -v '\.S$')
        check format 'clang-format has nothing to change' \
            "$tool" -n --Werror --ferror-limit=3 "${all[@]}"
    fi
}

# atomic_uses COMPILER
atomic_uses() {
    local file failed=0

    while read -r file; do
        "$1" -std=c17 -D_GNU_SOURCE -DROUSE_CHAOS_POINTS=1 -Iinclude -Isrc -fsyntax-only \
            -Werror=atomic-implicit-seq-cst "$file" || failed=1
    done < <(find src -name '*.c' | sort)
    return $failed
}

atomic_rule() {
    if have "$clang_cc"; then
        check atomic-uses 'atomic objects are used by explicit functions only' \
            atomic_uses "$clang_cc"
    else
        skip atomic-uses 'needs clang'
    fi
}

# only_names PATTERN NM-ARGUMENTS...: each global that nm lists matches the pattern.
only_names() {
    local pattern=$1

    shift
    nm --defined-only --extern-only "$@" >"$scratch/names"
    # Type A is the name of the symbol version.
    awk -v pattern="$pattern" 'NF == 3 && $2 != "A" { ++names }
        NF == 3 && $2 != "A" && $3 !~ pattern { print $3; bad = 1 }
        END { if (names == 0) print "no names at all"; exit bad || names == 0 }' "$scratch/names"
}

symbol_rules() {
    if ! have nm || [[ ! -e $build/lib/librouse.so || ! -e $build/lib/librouse.a ]]; then
        skip exports 'needs nm and a built library'
        skip globals 'needs nm and a built library'
        return
    fi
    check exports 'librouse.so exports only rouse_*' \
        only_names '^rouse_' -D "$build/lib/librouse.so"
    check globals 'librouse.a defines only rouse_* and rs_*' \
        only_names '^(rouse|rs)_' "$build/lib/librouse.a"
}

script_rule() {
    if have shellcheck; then
        mapfile -t all < <(find scripts tests .ci -type f \( -name '*.sh' -o -name run \) | sort)
        check scripts 'shellcheck has no warning' shellcheck -x -S warning "${all[@]}"
    else
        skip scripts 'needs shellcheck'
    fi
}

text_rules
header_rules
format_rule
atomic_rule
symbol_rules
script_rule
echo "1..$points"
((failures == 0))
