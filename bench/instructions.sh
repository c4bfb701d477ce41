#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The instructions that one operation takes, for the paths that count most, compared with those that
# instructions.json says. They are the same on a busy machine as on an idle one. See --help.
set -euo pipefail

usage() {
    cat <<END
usage: bench/instructions.sh [--update] [PATH...]

Counts the instructions of one operation under callgrind, and compares them with those of
bench/instructions.json. A PATH is a row of bench/README.md and a style, as in chained/future. By
default: all that are there.

  --update   write what was counted into the file instead

Exit status: 1 if a path takes more than 3 % more than before; 77, with the reason, where that can
not be said: without valgrind, or where compiler or flags are not those of the file. A path that
takes more than 3 % less is named, too: then the file should be updated, or the gain is lost again
unnoticed.

ROUSE_BUILD_DIR: the build to use (default build); ROUSE_INSTRUCTIONS_JOBS: how many programs run at
once.
END
}

source "$(dirname "$0")/callgrind.bash"

file=$callgrind_bench/instructions.json
jobs=${ROUSE_INSTRUCTIONS_JOBS:-$(nproc)}
tolerance=3  # percent
# Not among them: what goes by the clock, as a mutex that is always held does.
all_paths=(
    broadcast/future chained/fiber chained/future mpsc_b/future mpsc_u/future mutex/future
    notify/future oneshot/future pingpong/future pingpong_chan/fiber pingpong_chan/future
    select3/future spawn_join/fiber spawn_join/future spawn_many/fiber spawn_many/future
    switch/fiber timer_bulk/future timer_ic/future watch/future yield1000/fiber yield1000/future
)

update=false
paths=()
for argument in "$@"; do
    case $argument in
    --update) update=true ;;
    --help | -h) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *)
        if [[ " ${all_paths[*]} " != *" $argument "* ]]; then
            echo "instructions.sh: '$argument' is none of: ${all_paths[*]}" >&2
            exit 2
        fi
        paths+=("$argument")
        ;;
    esac
done
if ((${#paths[@]} == 0)); then paths=("${all_paths[@]}"); fi
if $update && ((${#paths[@]} != ${#all_paths[@]})); then
    echo "instructions.sh: --update writes all paths" >&2
    exit 2
fi
callgrind_need

# ---- How it was built ----

# cached NAME: a setting of the build.
cached() {
    sed -n "s/^$1:[A-Z]*=//p" "$callgrind_build/CMakeCache.txt"
}

build_type=$(cached CMAKE_BUILD_TYPE)
flags="$(cached CMAKE_C_FLAGS) $(cached "CMAKE_C_FLAGS_${build_type^^}")"
flags="${flags# }, chaos points $(cached ROUSE_CHAOS_POINTS)"
flags+=", slow asserts $(cached ROUSE_SLOW_ASSERTS)"
if [[ $(cached ROUSE_HAVE_SDT) == 1 ]]; then flags+=", probes"; fi
compiler=$("$(cached CMAKE_C_COMPILER)" --version | sed -n '1s/^[^ ]*/cc/p')
machine="$(uname -m), libc $(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.* //')"

# noted NAME: what the file says of it.
noted() {
    sed -n "s/^ *\"$1\": \"\\(.*\\)\",\$/\\1/p" "$file"
}

if ! $update; then
    for name in compiler flags machine; do
        if [[ $(noted "$name") == "${!name}" ]]; then continue; fi
        echo "SKIP: the counts are those of another $name: '$(noted "$name")', not '${!name}'"
        exit 77
    done
fi

# ---- Counting ----

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/profiles"

# count_path PATH: the figure, in a file of its own.
count_path() {
    local out=$scratch/${1//\//.}

    callgrind_row "${1%/*}" "${1#*/}" "$scratch/profiles" >"$out.lines" 2>"$out.complaint" || return
    sed -n 's/^total \([0-9.]*\) .*/\1/p' "$out.lines" >"$out.count"
}

failed=0
running=0
for path in "${paths[@]}"; do
    if ((running == jobs)); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    count_path "$path" &
    running=$((running + 1))
done
for ((; running > 0; running--)); do wait -n || failed=1; done
if ((failed)); then
    cat "$scratch"/*.complaint >&2
    echo "instructions.sh: not all of them could be counted" >&2
    exit 1
fi

# ---- What comes of it ----

# "PATH COUNT" for each.
list_counts() {
    local path

    for path in "${paths[@]}"; do echo "$path $(<"$scratch/${path//\//.}.count")"; done | sort
}

write_file() {
    cat <<END
{
  "compiler": "$compiler",
  "flags": "$flags",
  "machine": "$machine",
  "instructions": {
$(list_counts | awk '{ printf "%s    \"%s\": %s", (NR > 1 ? ",\n" : ""), $1, $2 } END { print "" }')
  }
}
END
}

if $update; then
    write_file >"$scratch/new"
    mv "$scratch/new" "$file"
    echo "${#paths[@]} paths written to $file"
    exit
fi

list_counts | awk -v tolerance=$tolerance '
    FNR == NR {
        if (match($0, /^    "[^"]*": [0-9.]+,?$/)) {
            gsub(/[",:]/, "")
            before[$1] = $2
        }
        next
    }
    !($1 in before) {
        printf "%s: %s instructions; the file does not have it: run it with --update\n", $1, $2
        failed = 1
        next
    }
    {
        change = ($2 / before[$1] - 1) * 100
        verdict = "ok"
        if (change > tolerance) {
            verdict = sprintf("FAILED: more than %d %% above; see bench/profile.sh", tolerance)
            failed = 1
        } else if (change < -tolerance) {
            verdict = "better: keep it by bench/instructions.sh --update"
        }
        printf "%-22s %8.1f before, %8.1f now, %+5.1f %%  %s\n", $1, before[$1], $2, change, verdict
    }
    END {
        if (failed) print "some path takes more instructions than it may"
        exit failed
    }' "$file" -
