#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds the consumers of this folder in C and C++ in each way that the library can be had: found
# by CMake, found by pkg-config, and as a part of another project. Prints TAP. ROUSE_BUILD_DIR is
# the build to install from; the installed tree is moved first, since a package may be.
set -euo pipefail

cd "$(dirname "$0")"
top=$(cd ../.. && pwd)
build=${ROUSE_BUILD_DIR:-$top/build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
installed=$scratch/moved
points=0
failures=0

# check CLAIM COMMAND...
check() {
    local claim=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok $points - $claim"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok $points - $claim"
        failures=$((failures + 1))
    fi
}

install_and_move() {
    cmake --install "$build" --prefix "$scratch/first" && mv "$scratch/first" "$installed"
}

holds_no_path() {
    ! grep -rIl -e "$scratch/first" -e "$top/" "$installed"
}

has_program() {
    [[ $("$installed/bin/rouse" --version) == 'rouse '[0-9]* ]]
}

# run_all FOLDER: each program in it succeeds.
run_all() {
    local program count=0

    for program in "$1"/c_* "$1"/cxx_*; do
        [[ -f $program && -x $program ]] || continue
        count=$((count + 1))
        "$program" || return 1
    done
    ((count == 4))
}

# with_cmake PROJECT ARGUMENTS...
with_cmake() {
    local project=$1

    shift
    cmake -S "$project" -B "$scratch/$project" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_FLAGS="-Wall -Wextra -Werror" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" "$@" &&
        cmake --build "$scratch/$project" -j 2 && run_all "$scratch/$project"
}

with_pkg_config() {
    local out=$scratch/pkg_config library
    local -a flags libraries static

    mkdir -p "$out"
    library=$(dirname "$(find "$installed" -name librouse.so)")
    export PKG_CONFIG_PATH=$library/pkgconfig
    read -ra flags < <(pkg-config --cflags rouse)
    read -ra libraries < <(pkg-config --libs rouse)
    read -ra static < <(pkg-config --libs --static rouse)
    static=("${static[@]/#-lrouse/-l:librouse.a}")
    "${CC:-cc}" -Wall -Wextra -Werror -Wl,-rpath,"$library" -o "$out/c_shared" \
        "${flags[@]}" consumer.c "${libraries[@]}" &&
        "${CXX:-c++}" -Wall -Wextra -Werror -Wl,-rpath,"$library" -o "$out/cxx_shared" \
            "${flags[@]}" consumer.cpp "${libraries[@]}" &&
        "${CC:-cc}" -o "$out/c_static" "${flags[@]}" consumer.c "${static[@]}" &&
        "${CXX:-c++}" -o "$out/cxx_static" "${flags[@]}" consumer.cpp "${static[@]}" &&
        run_all "$out"
}

check 'installs into any prefix' install_and_move
check 'what is installed names neither the prefix nor the source tree' holds_no_path
check 'the program rouse runs from where it was moved to' has_program
check 'find_package, C and C++, shared and static' \
    with_cmake find_package -DCMAKE_PREFIX_PATH="$installed"
check 'pkg-config, C and C++, shared and static' with_pkg_config
check 'add_subdirectory, C and C++, shared and static' with_cmake subdirectory
echo "1..$points"
((failures == 0))
