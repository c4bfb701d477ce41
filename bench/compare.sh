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
usage: bench/compare.sh [OPTION...] [PROGRAM...]

  -r ROUNDS    default 7
  -b ROWS      default: each row that any of the programs has
  -w WORKERS   default "1 2"
  -n COUNT     operations in a run (default: the row's own); with --growth, several
  -t SECONDS   that a run may take (default 60)
  -o FILE      the results, one line of JSON each (default build/bench/results.jsonl)
  --markdown   the table as Markdown
  --cpu        the table in CPU time instead of time, for a machine on which other programs run
  --growth     each row with 10^3, 10^4, 10^5 and 10^6 operations; FILE is build/bench/growth.jsonl,
               and the table shows how cost grows

  bench/compare.sh -b 'mutex rwlock' 'build/bin/bench_locks --style fiber' build/bench/peer_go

A PROGRAM may have options of its own; quotes mean nothing in it. One that does not have a row is
left out there. Each round begins with another program. Without a PROGRAM, the table is made of what
FILE already holds.
END
}

fail() {
    echo "compare.sh: $1" >&2
    exit "${2:-1}"
}

tree=$(cd "$(dirname "$0")/.." && pwd)
rounds=7 rows='' workers='1 2' counts='' seconds=60 results='' form=table growth=0 by_cpu=0
while getopts 'r:b:w:n:t:o:-:h' option; do
    case $option in
    r) rounds=$OPTARG ;;
    b) rows=$OPTARG ;;
    w) workers=$OPTARG ;;
    n) counts=$OPTARG ;;
    t) seconds=$OPTARG ;;
    o) results=$OPTARG ;;
    h) usage && exit 0 ;;
    -)
        case $OPTARG in
        help) usage && exit 0 ;;
        markdown) form=markdown ;;
        cpu) by_cpu=1 ;;
        growth) growth=1 form=growth ;;
        *) usage >&2 && exit 2 ;;
        esac
        ;;
    *) usage >&2 && exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[[ $rounds =~ ^[1-9][0-9]?$ ]] || fail "-r is from 1 to 99, not '$rounds'" 2
[[ $workers =~ ^[0-9]+(\ +[0-9]+)*$ ]] || fail "-w is a list of numbers, not '$workers'" 2
if ((growth)); then
    counts=${counts:-1000 10000 100000 1000000}
    results=${results:-$tree/build/bench/growth.jsonl}
    [[ $counts =~ ^[0-9]+(\ +[0-9]+)*$ ]] || fail "-n is a list of numbers, not '$counts'" 2
else
    results=${results:-$tree/build/bench/results.jsonl}
    [[ $counts =~ ^[0-9]*$ ]] || fail "-n is a number, not '$counts'" 2
fi

print_table() {
    awk -v form="$form" -v by_n="$growth" -v by_cpu="$by_cpu" -f "$tree/bench/numbers.awk" \
        -f "$tree/bench/results.awk" -f "$tree/bench/table.awk" "$tree/bench/goals.txt" "$results"
}

if (($# == 0)); then
    [[ -s $results ]] || { usage >&2 && exit 2; }
    print_table
    exit
fi
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

# What a row needs at least, where that is more than the least number of operations; and what has
# no growth to look at: a wake is one wake.
declare -A at_least=([broadcast]=6400)
if ((growth)); then at_least[wake]=1000000000; fi

# run INDEX ROW WORKERS ROUND COUNT: appends a result; COUNT may be empty. Status 3 of the program
# means that it has no such run with so many workers.
run() {
    local index=$1 row=$2 round=$4 count=$5 words line status=0 arguments=(--workers "$3")

    if [[ -n $count ]]; then
        if ((count < ${at_least[$row]:-0})); then return; fi
        arguments+=(--n "$count")
    fi
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
    echo "${line%\}}${count:+,\"requested_n\":$count},\"round\":$round}" >>"$results"
}

# run_rounds ROW WORKERS COUNT
run_rounds() {
    local round i index

    for ((round = 1; round <= rounds; round++)); do
        for ((i = 0; i < ${#programs[@]}; i++)); do
            index=$(((i + round - 1) % ${#programs[@]}))
            if [[ -n ${has[$index $1]:-} && -z ${none[$index $1 $2]:-} ]]; then
                run "$index" "$1" "$2" "$round" "$3"
            fi
        done
    done
}

count_list=('')
if [[ -n $counts ]]; then read -ra count_list <<<"$counts"; fi
read -r load_before _ </proc/loadavg
mkdir -p "$(dirname "$results")"
complaint=$(mktemp)
trap 'rm -f "$complaint"' EXIT
: >"$results"
for row in "${row_list[@]}"; do
    for worker_count in $workers; do
        if [[ -t 2 ]]; then echo "$row, workers: $worker_count" >&2; fi
        for count in "${count_list[@]}"; do run_rounds "$row" "$worker_count" "$count"; done
    done
done

if [[ $form != markdown ]]; then
    echo "$rounds rounds on $(nproc) cores, load at the start $load_before; results in $results"
    echo
fi
print_table
