#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the tests in a build that counts lines and branches, and prints how much of each folder they
# reach:
#
#     scripts/coverage.sh JOBS [LABELS-TO-LEAVE-OUT]
#
# Fails if a test does, or if a folder of the core is below its bars. ROUSE_BUILD_DIR is the build
# (default: build/coverage); the report by line lies there.
set -euo pipefail

cd "$(dirname "$0")/.."
jobs=${1:-2}
without=${2:-none}
build=${ROUSE_BUILD_DIR:-build/coverage}
core="future task sched time io"
lines_min=95
branches_min=85

cmake --preset coverage -B "$build"
cmake --build "$build" -j "$jobs"
find "$build" -name '*.gcda' -delete
failed=0
# Black-box tests wait more than they reach; the other labels run no code of this build's library.
ctest --test-dir "$build" --output-on-failure -j "$jobs" -L 'unit|api|fault' \
    -LE "$without" || failed=1

# Only the objects of the library and of httpd: those of the explorer are built for another purpose,
# and gcovr cannot read them. An assertion's branch into its panic is not counted.
gcovr --root . --filter src/ --filter apps/ --filter include/ --exclude-unreachable-branches \
    --exclude-branches-by-pattern '.*\brouse_assert(_slow)?\(.*' --gcov-ignore-parse-errors \
    --html-details "$build/report.html" --txt "$build/report.txt" --csv "$build/report.csv" \
    "$build/CMakeFiles/rouse_objects.dir" "$build/CMakeFiles/httpd_core.dir"

# A line for each folder; the status is 1 if one of the core is below a bar.
table() {
    awk -F, -v core=" $core " -v lines_min="$lines_min" -v branches_min="$branches_min" '
        function percent(part, whole) { return whole > 0 ? 100 * part / whole : 100 }
        NR > 1 {
            split($1, path, "/")
            folder = path[1] "/" path[2]
            lines[folder] += $2
            lines_hit[folder] += $3
            branches[folder] += $5
            branches_hit[folder] += $6
        }
        END {
            for (folder in lines) {
                short = folder
                sub(/^src\//, "", short)
                note = ""
                l = percent(lines_hit[folder], lines[folder])
                b = percent(branches_hit[folder], branches[folder])
                if (index(core, " " short " ") > 0) {
                    note = l < lines_min || b < branches_min ? "  core, BELOW THE BAR" : "  core"
                    seen++
                }
                if (note ~ /BELOW/) status = 1
                printf "%-14s %5d of %5d  %5.1f %%  %5d of %5d  %5.1f %%%s\n", folder,
                    lines_hit[folder], lines[folder], l, branches_hit[folder], branches[folder],
                    b, note | "sort"
            }
            close("sort")
            if (seen != split(core, all, " ")) {
                print "coverage: a folder of the core is missing"
                status = 1
            }
            exit status
        }' "$build/report.csv"
}

printf '\n%-14s %-25s %s\n' folder lines branches
table || failed=1
echo
echo "The core must reach $lines_min % of its lines and $branches_min % of its branches."
echo "Not counted are the branches of rouse_assert() into a panic."
echo "By line: $build/report.html"
exit $failed
