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

# program NAME ROWS WALL CPU [MORE]: makes a program whose ns/op is the next of WALL at each call,
# and which says in the file "calls" that it ran. MORE are further members of its result.
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
echo "{\"bench\":\"\$1\",\"impl\":\"$1\",\"style\":\"-\",\"workers\":\$3,\"n\":\${5:-10},\
\"ns_per_op\":\${wall[call % \${#wall[@]}]},\"cpu_ns_per_op\":$4,\"rss_kib\":2048${5:-}}"
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
claim 'a line has the median, the spread, the CPU time, the peak of memory and the ratio' \
    has mutex 1 slow 1000.0 '\(900.0\.\.9999.0\)' 1000.0 2.0 'rouse is 10.00x'
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
claim 'no program and no results is a usage error' exits_with 2 compare -o "$scratch/none"

program rouse 'wake memory switch' 210 40
program floor 'wake memory switch' '200 200 200' 10
programs=("$scratch/rouse" "$scratch/floor" "$scratch/fast")
claim 'a floor is compared with' compare -r 1 -b 'wake switch' -w 1 "${programs[@]}"
claim 'a goal may be a ratio to it, and it stands at the end of the line' \
    has wake 1 rouse 210.0 '\(210.0\.\.210.0\)' 40.0 2.0 - 0.95 '\(0.95\.\.0.95\)' of floor \
    0.95 met 200.0 '\(1.1x\)'
claim 'a peer that does not have the row is not there' exits_with 1 grep fast "$scratch/table"

program rouse mutex 210 40
program fast mutex 200 100
program floor mutex 198 198
claim 'a floor may miss a goal, too' compare -r 1 -b mutex -w '1 2' "${programs[@]}"
claim 'then the goal is out of reach' \
    has mutex 1 rouse 210.0 '\(210.0\.\.210.0\)' 40.0 2.0 2.50 0.95 '\(0.95\.\.0.95\)' of fast \
    1.05 floor 198.0 '\(1.1x\)'
claim 'but not for workers who could share what it does' \
    has mutex 2 rouse 210.0 '.*' of fast 1.50 missed 198.0 '\(1.1x\)'
program floor mutex 300 300
sed -i 's/"style\\":\\"-/"style\\":\\"fiber/' "$scratch/floor"
cp "$scratch/floor" "$scratch/floor_fiber"
program floor mutex 100 100
cp "$scratch/floor.calls" "$scratch/floor_fiber.calls"
sed 's/"style\\":\\"-/"style\\":\\"fiber/' "$scratch/rouse" >"$scratch/rouse_fiber"
chmod +x "$scratch/rouse_fiber"
claim 'there may be a floor for fibers' compare -r 1 -b mutex -w 1 "$scratch/rouse_fiber" \
    "${programs[@]}" "$scratch/floor_fiber"
claim 'which stands with fibers' has mutex 1 rouse/fiber 210.0 '.*' 1.05 floor 300.0 '\(0.7x\)'
claim 'and only there' has mutex 1 rouse 210.0 '.*' 1.05 missed 100.0 '\(2.1x\)'
claim 'in Markdown as well' compare --markdown
claim 'where it has no column of its own' exits_with 1 grep 'floor/' "$scratch/table"
program rouse memory 50 40 ',\"p99_ns\":70,\"bytes_per_op\":4400.0'
mv "$scratch/rouse" "$scratch/rouse_memory"
sed -i 's/"style\\":\\"-/"style\\":\\"fiber/' "$scratch/rouse_memory"
claim 'a row may be about memory' compare -r 1 -b memory -w 1 "$scratch/rouse_memory"
claim 'then the bytes are its figure, and a goal may be a bound' \
    has memory, B 1 rouse/fiber 4400.0 '\(4400.0\.\.4400.0\)' 40.0 2.0 - - '<=4300' missed
claim 'a 99th percentile is a row of its own' has memory_p99 1 rouse/fiber 70.0 '.*'

claim 'the table is made again of what is there, as Markdown' compare --markdown
claim 'its lines are those of rouse' \
    grep -q '^| `memory`, bytes | 1 | fiber | 4400 |' "$scratch/table"
claim 'or in CPU time' compare --cpu
claim 'which leaves the bytes alone' has memory, B 1 rouse/fiber 4400.0 '.*'
program rouse sleep1m 50 700 ',\"p99_ns\":2000000'
claim 'a row may be about lateness' compare -r 1 -b sleep1m -w 1 "$scratch/rouse"
claim 'then a goal may be CPU time' \
    has sleep1m 1 rouse 50.0 '\(50.0\.\.50.0\)' 700.0 2.0 - - 'cpu<=600' missed
claim 'and another one the 99th percentile' has sleep1m_p99 1 rouse 2000000.0 '.*' '<=2000000' met
claim 'which the Markdown says too' compare --markdown
claim 'with a sign for the bound' grep -q '^| `sleep1m` .* | cpu ≤ 600 | missed |$' "$scratch/table"
program rouse mutex '10 20 30 40' 40
claim 'growth is measured' compare --growth -r 1 -b mutex -w 1 -n '100 1000 5000' "$scratch/rouse"
claim 'with each number of operations' test "$(grep -c -E -- '--n (100|1000|5000)$' \
    "$scratch/calls")" -eq 3
claim 'and has a line from the first to the last' has mutex 1 rouse 10.0 20.0 30.0 3.00
claim 'also in CPU time, which is the same each time' compare --growth --cpu
claim 'and so has no growth' has mutex 1 rouse 40.0 40.0 40.0 1.00
claim 'and is drawn from blocks' grep -qx '5000 30' <(awk -v form=growth_plot -v by_n=1 \
    -f "$tree/bench/numbers.awk" -f "$tree/bench/results.awk" -f "$tree/bench/table.awk" \
    "$tree/bench/goals.txt" "$scratch/results")
claim '--help says how to use it' "$tree/bench/compare.sh" --help

echo "1..$points"
exit $((failures > 0))
