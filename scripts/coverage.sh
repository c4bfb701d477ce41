#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs the tests in a build that counts lines, and reports which of src/ and apps/ they reach:
#
#     scripts/coverage.sh JOBS [LABELS-TO-LEAVE-OUT]
set -euo pipefail

cd "$(dirname "$0")/.."
jobs=${1:-2}
without=${2:-none}
build=build/coverage

cmake --preset coverage
cmake --build --preset coverage -j "$jobs"
find "$build" -name '*.gcda' -delete
failed=0
ctest --preset coverage -j "$jobs" -LE "$without" || failed=1
gcovr --root . --object-directory "$build" --filter src/ --filter apps/ --filter include/ \
    --exclude-unreachable-branches --gcov-ignore-parse-errors \
    --html-details "$build/report.html" --txt "$build/report.txt" --print-summary
echo "coverage: $build/report.txt and $build/report.html"
exit $failed
