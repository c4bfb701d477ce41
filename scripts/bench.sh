#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs each benchmark that stands on its own, one after the other:
#
#     scripts/bench.sh [NAME...]
#
# Programs of bench/net are servers and clients and are run by scripts of their own.
set -euo pipefail

cd "$(dirname "$0")/.."
names=("$@")
if ((${#names[@]} == 0)); then
    for program in build/bin/bench_*; do
        name=${program##*/bench_}
        if [[ -x $program && $name != net_* ]]; then names+=("$name"); fi
    done
fi
if ((${#names[@]} == 0)); then
    echo "bench: no benchmark was built; \"make\" builds them" >&2
    exit 1
fi
for name in "${names[@]}"; do
    echo "== $name"
    "build/bin/bench_$name"
done
