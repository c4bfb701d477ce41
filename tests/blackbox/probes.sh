#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The USDT probes: the library's notes name those that tracing.md lists, and the script for bpftrace
# that is installed with it uses no others.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

library=$build/lib/librouse.so

if ! command -v readelf >/dev/null; then
    echo '1..0 # SKIP there is no readelf'
    exit 77
fi
if ! readelf -SW "$library" | grep -q ' \.note\.stapsdt '; then
    echo '1..0 # SKIP the library was built without <sys/sdt.h>'
    exit 77
fi

readelf -nW "$library" | awk '/Provider:/ { ours = / rouse$/ }
    $1 == "Name:" && ours { print $2 }' | sort -u >"$scratch/probes"
grep -oE '^usdt:\*:rouse:[a-z_]+' "$tree/tools/rouse.bt" | sed 's/.*://' | sort -u >"$scratch/used"
printf '%s\n' park poll__end poll__start spawn steal unpark wake >"$scratch/named"
# In a table of the document: `poll__start` and what it has.
grep -oE '^\| `[a-z_]+` \| (task|worker)' "$tree/docs/tracing.md" | cut -d'`' -f 2 |
    sort >"$scratch/documented"

claim 'the library has each probe' diff "$scratch/named" "$scratch/probes"
claim 'the script uses each, and no other' diff "$scratch/probes" "$scratch/used"
claim 'the document names each' diff "$scratch/probes" "$scratch/documented"

echo "1..$points"
((failures == 0))
