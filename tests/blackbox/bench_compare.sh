#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# bench/compare.sh and its table, with programs that take no time: shell scripts whose figures are
# known. Prints TAP. It is not about speed.
set -uo pipefail
export LC_ALL=C

tree=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
points=0
failures=0
trap 'rm -rf "$scratch"' EXIT

# claim TEXT COMMAND...: one test point; the command's output is shown if it fails.
claim() {
    local text=$1

    shift
    points=$((points + 1))
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok $points - $text"
    else
        sed 's/^/# /' "$scratch/output"
        echo "not ok $points - $text"
        failures=$((failures + 1))
    fi
}

# program NAME ROWS WALL CPU: makes a program whose ns/op is the next of WALL at each call, and
# which says in the file "calls" that it ran.
program() {
    cat >"$scratch/$1" <<END
#!/usr/bin/env bash
if [[ \$1 == --list ]]; then printf '%s\n' $2 && exit; fi
echo "$1 \$*" >>$scratch/calls
read -r call <$scratch/$1.calls
echo \$((call + 1)) >$scratch/$1.calls
wall=($3)
[[ \$1 == absent ]] && exit 3
[[ \$1 == broken ]] && exit 1
echo "{\"bench\":\"\$1\",\"impl\":\"$1\",\"style\":\"-\",\"workers\":\$3,\"n\":10,\
\"ns_per_op\":\${wall[call % \${#wall[@]}]},\"cpu_ns_per_op\":$4,\"rss_kib\":2048}"
END
    chmod +x "$scratch/$1"
    echo 0 >"$scratch/$1.calls"
}

compare() {
    : >"$scratch/calls"
    "$tree/bench/compare.sh" -o "$scratch/results" "$@" >"$scratch/table" 2>"$scratch/errors"
}

exits_with() {
    local expected=$1 status=0

    shift
    "$@" || status=$?
    cat "$scratch/errors"
    [[ $status -eq $expected ]] || { echo "status $status" && false; }
}

# has PATTERN...: the table has a line that holds these words, in order, with blanks in between.
has() {
    local pattern

    pattern=$(printf ' +%s' "$@")
    grep -Eq "^${pattern# +}\$" "$scratch/table" || { cat "$scratch/table" && false; }
}

alternate() {
    local expected='rouse fast slow fast slow rouse slow rouse fast '

    [[ $(cut -d ' ' -f 1 "$scratch/calls" | tr '\n' ' ') == "$expected" ]] ||
        { cat "$scratch/calls" && false; }
}

# Medians are 100, 200 and 1000; the ratios of the rounds are 200/200, 300/100 and 100/50.
program rouse 'mutex absent' '200 100 50' 40
program fast 'mutex absent other' '200 300 100' 100
program slow 'mutex broken' '1000 900 9999' 1000
programs=("$scratch/rouse" "$scratch/fast" "$scratch/slow")

claim 'programs are compared' compare -r 3 -b mutex -w 1 "${programs[@]}"
claim 'each round begins with another program' alternate
claim 'a result is kept with its round' \
    grep -q '^{"bench":"mutex",.*,"round":3}$' "$scratch/results"
claim 'a line has the median, the spread, the CPU time and the peak of memory' \
    has mutex 1 slow 1000.0 '\(900.0\.\.9999.0\)' 1000.0 2.0
claim 'the ratio is to the peer with the least median, round by round, and meets its goal' \
    has mutex 1 rouse 100.0 '\(50.0\.\.200.0\)' 40.0 2.0 2.50 2.00 '\(1.00\.\.3.00\)' \
    of fast 1.05 met
program rouse mutex 199 40
claim 'a goal that is not met is named' compare -r 3 -b mutex -w 2 "${programs[@]}"
claim 'its line says so' \
    has mutex 2 rouse 199.0 '\(199.0\.\.199.0\)' 40.0 2.0 2.50 1.01 '\(0.50\.\.1.51\)' \
    of fast 1.50 missed
program rouse 'mutex absent' 100 40
claim 'a program without such a run is left out' \
    exits_with 0 compare -r 2 -b absent "${programs[@]}"
claim 'and not asked again' \
    test "$(grep -c '^rouse absent --workers 1' "$scratch/calls")" -eq 1
claim 'a run that fails ends it' exits_with 1 compare -b broken "${programs[@]}"
claim 'a row that nobody has is a usage error' exits_with 2 compare -b nothing "${programs[@]}"
claim 'no program is a usage error' exits_with 2 compare
claim '--help says how to use it' "$tree/bench/compare.sh" --help

echo "1..$points"
exit $((failures > 0))
