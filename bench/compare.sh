#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Runs benchmarks of several programs alternately, round by round, so that a slow phase of the
# machine hits all of them, and prints a table. The programs are those of bench/*.c that use bench.h
# and the peers of bench/peers: each takes the name of a row, --workers, --n and --list.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<END
usage: bench/compare.sh [OPTION...] PROGRAM...

  -r ROUNDS   default 7
  -b ROWS     default: each row that any of the programs has
  -w WORKERS  default "1 2"
  -n COUNT    operations in a run (default: the row's own)
  -t SECONDS  that a run may take (default 60)
  -o FILE     the results, one line of JSON each (default build/bench/results.jsonl)

  bench/compare.sh -b 'mutex rwlock' 'build/bin/bench_locks --style fiber' build/bench/peer_go

A PROGRAM may have options of its own; quotes mean nothing in it. One that does not have a row is
left out there. Each round begins with another program.
END
}

fail() {
    echo "compare.sh: $1" >&2
    exit "${2:-1}"
}

tree=$(cd "$(dirname "$0")/.." && pwd)
rounds=7 rows='' workers='1 2' count='' seconds=60 results=$tree/build/bench/results.jsonl
while getopts 'r:b:w:n:t:o:-:h' option; do
    case $option in
    r) rounds=$OPTARG ;;
    b) rows=$OPTARG ;;
    w) workers=$OPTARG ;;
    n) count=$OPTARG ;;
    t) seconds=$OPTARG ;;
    o) results=$OPTARG ;;
    h) usage && exit 0 ;;
    -)
        [[ $OPTARG == help ]] || { usage >&2 && exit 2; }
        usage && exit 0
        ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($# > 0)) || { usage >&2 && exit 2; }
[[ $rounds =~ ^[1-9][0-9]?$ ]] || fail "-r is from 1 to 99, not '$rounds'" 2
[[ $workers =~ ^[0-9]+(\ +[0-9]+)*$ ]] || fail "-w is a list of numbers, not '$workers'" 2
programs=("$@")

# --- who has which row ---------------------------------------------------------------------------

declare -A has
known=()
for index in "${!programs[@]}"; do
    read -ra words <<<"${programs[index]}"
    [[ -x ${words[0]} ]] || fail "no program ${words[0]}"
    list=$("${words[@]}" --list) || fail "${programs[index]} does not list its rows"
    for row in $list; do
        has[$index $row]=1
        [[ " ${known[*]} " == *" $row "* ]] || known+=("$row")
    done
done
read -ra row_list <<<"${rows:-${known[*]}}"
for row in "${row_list[@]}"; do
    [[ " ${known[*]} " == *" $row "* ]] || fail "no program has the row $row" 2
done

# --- rounds --------------------------------------------------------------------------------------

declare -A none  # what there is not after all

# run INDEX ROW WORKERS ROUND: appends a result. Status 3 of the program means that it has no
# such run with so many workers.
run() {
    local index=$1 row=$2 round=$4 words line status=0 arguments=(--workers "$3")

    [[ -z $count ]] || arguments+=(--n "$count")
    read -ra words <<<"${programs[index]}"
    line=$(timeout "$seconds" "${words[@]}" "$row" "${arguments[@]}" </dev/null 2>"$complaint") ||
        status=$?
    if ((status == 3)); then
        none[$index $row $3]=1
        return
    fi
    cat "$complaint" >&2
    ((status == 0)) || fail "'${words[*]} $row ${arguments[*]}' failed: status $status"
    [[ $line =~ ^\{\"bench\":.*\"ns_per_op\":[0-9.]+.*\}$ ]] ||
        fail "'${words[*]} $row' does not print a result but: $line"
    echo "${line%\}},\"round\":$round}" >>"$results"
}

read -r load_before _ </proc/loadavg
mkdir -p "$(dirname "$results")"
complaint=$(mktemp)
trap 'rm -f "$complaint"' EXIT
: >"$results"
for row in "${row_list[@]}"; do
    for worker_count in $workers; do
        if [[ -t 2 ]]; then echo "$row, workers: $worker_count" >&2; fi
        for ((round = 1; round <= rounds; round++)); do
            for ((i = 0; i < ${#programs[@]}; i++)); do
                index=$(((i + round - 1) % ${#programs[@]}))
                if [[ -n ${has[$index $row]:-} && -z ${none[$index $row $worker_count]:-} ]]; then
                    run "$index" "$row" "$worker_count" "$round"
                fi
            done
        done
    done
done

echo "$rounds rounds on $(nproc) cores, load at the start $load_before; results in $results"
echo
awk -f "$tree/bench/table.awk" "$tree/bench/goals.txt" "$results"
