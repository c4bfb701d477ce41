#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Shows that each memory order of the core, and each step of its protocols, is needed: takes one
# away at a time, and looks whether the explorer finds out.
#
#     tests/model/mutants.sh [--orders] [--steps] [--share K/N] [PATTERN]
#
# Orders: the list of atomic accesses is read from the instrumented program, so none is forgotten.
# Each order that is more than relaxed is weakened by one degree, at run time. Steps: the edits of
# mutants.txt, each built into a copy of the source. What survives must be in survivors.txt, with
# the reason. With a PATTERN, only mutants whose line matches it are tried; with a share, only those
# whose number leaves K when divided by N. The last line is "N mutants, N killed, N argued, N
# survived".
#
# ROUSE_BUILD_DIR: the build to use; ROUSE_MUTANTS_JOBS: how many run at once;
# ROUSE_MUTANTS_EXECUTIONS: how many of each scenario are searched for a mutant.
set -euo pipefail
export LC_ALL=C

tree=$(cd "$(dirname "$0")/../.." && pwd)
build=${ROUSE_BUILD_DIR:-$tree/build}
model=$build/tests/model/model
work=$build/mutants
jobs=${ROUSE_MUTANTS_JOBS:-$(nproc)}
executions=${ROUSE_MUTANTS_EXECUTIONS:-4000}
survivors=$tree/tests/model/survivors.txt
orders=false
steps=false
pattern=.
share=0/1

while (($# > 0)); do
    case $1 in
    --orders) orders=true ;;
    --steps) steps=true ;;
    --share)
        share=$2
        shift
        ;;
    --help)
        sed -n '4,18s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) pattern=$1 ;;
    esac
    shift
done
if [[ ! $share =~ ^[0-9]+/[1-9][0-9]*$ ]]; then
    echo "a share is K/N, as 0/2 for one half; not $share" >&2
    exit 2
fi
if ! $orders && ! $steps; then
    orders=true
    steps=true
fi
if [[ ! -x $model ]]; then
    echo "$model is not there; build it first: cmake --build ${build#"$tree"/} --target model" >&2
    exit 2
fi
mkdir -p "$work"
: >"$work/results"

# ---- The orders ----

# "RETURN-ADDRESS OP CALL-ADDRESS" for every atomic access in the program.
list_calls() {
    objdump -d --no-show-raw-insn "$model" | awk '
        { address = $1; sub(/:$/, "", address) }
        call != "" { print "0x" address, call; call = "" }
        /(call|jmp).*<__tsan_atomic[0-9]+_[a-z_]+>/ {
            call = $0
            sub(/.*<__tsan_atomic[0-9]+_/, "", call)
            sub(/>.*/, "", call)
            sub(/compare_exchange.*/, "compare_exchange", call)
            call = call " 0x" address
        }'
}

# "PC OP FILE:LINE FUNCTION", of the library only.
list_places() {
    list_calls >"$work/calls"
    awk '{ print $3 }' "$work/calls" |
        addr2line -e "$model" -f -i -a | awk '
            /^0x/ { if (place != "") print place, name; name = ""; place = ""; next }
            name == "" { name = $0; next }
            place == "" { place = $0; sub(/.*\/src\//, "src/", place); sub(/ .*/, "", place) }
            END { print place, name }' |
        paste -d ' ' "$work/calls" - | awk '$4 ~ /^src\// { print $1, $2, $4, $5 }'
}

# One line for each access as written in the source, however often it was inlined:
# "FILE FUNCTION OP#N ORDER FAILURE-ORDER PC,PC,... SCENARIO,SCENARIO,..."
list_accesses() {
    sort -u "$work/hits" | awk '
        FNR == NR {
            order[$2] = $4; failure[$2] = $5
            reached[$2] = reached[$2] "," $1
            next
        }
        {
            key = $3 " " $4 " " $2
            pcs[key] = pcs[key] "," $1
            if ($1 in order) {
                o[key] = order[$1]; f[key] = failure[$1]
                scenarios[key] = scenarios[key] reached[$1]
            }
        }
        END {
            for (key in pcs) {
                split(key, k, " ")
                split(k[1], at, ":")
                print at[1], k[2], k[3], at[2], (key in o ? o[key] " " f[key] : "- -"),
                    substr(pcs[key], 2), (key in scenarios ? substr(scenarios[key], 2) : "-")
            }
        }' - "$work/places" | sort -k1,3 -k4,4n | awk '
        { n = ++count[$1 " " $2 " " $3]; print $1, $2, $3 "#" n, $5, $6, $7, $8, $4 }'
}

# Of the accesses that no scenario reaches, those that are more than relaxed, by their source: the
# arguments of the calls of that name that begin in the line.
list_unreached() {
    awk -v tree="$tree" '
        function arguments(text,    depth, i, c) {
            for (i = index(text, "("); i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "(") depth++
                if (c == ")" && --depth == 0) break
            }
            return substr(text, 1, i)
        }
        # Those of base/rmw.h are named for their width.
        function is_relaxed(text, first, op,    at, call, ours) {
            at = 1
            ours = "|rs_" op "[a-z_]*_(32|64))"
            while (match(substr(text, at), "(atomic_" op "[a-z_]*" ours "\\(") &&
                   at + RSTART - 1 <= first) {
                at += RSTART - 1
                call = arguments(substr(text, at))
                gsub(/memory_order_relaxed/, "", call)
                if (call ~ /memory_order/ ||
                    substr(text, at) !~ "^(atomic_" op "[a-z_]*_explicit" ours) {
                    return 0
                }
                at += RLENGTH
            }
            return at > 1
        }
        $4 != "-" { next }
        {
            file = tree "/" $1
            text = ""
            op = $3
            sub(/#.*/, "", op)
            for (n = 1; (getline line <file) > 0; n++) {
                if (n == $8) first = length(line)
                if (n >= $8) text = text line
                if (n >= $8 && line ~ /;|\{$/) break
            }
            close(file)
            if (!is_relaxed(text, first, op)) print $1, $2, $3 ": not reached: survived"
        }' "$work/accesses"
}

# "FILE FUNCTION OP#N SLOT FROM TO PCS SCENARIOS" for each order that can be weakened.
list_weakened() {
    awk '
        function weaker(op, order) {
            if (order == "seq_cst" && op == "load") return "acquire"
            if (order == "seq_cst") return op == "store" ? "release" : "acq_rel"
            if (order == "acq_rel") return "acquire release"
            return order == "acquire" || order == "release" ? "relaxed" : ""
        }
        function emit(slot, order, op,    list, n, i) {
            n = split(weaker(op, order), list, " ")
            for (i = 1; i <= n; i++) print $1, $2, $3, slot, order, list[i], $6, $7
        }
        $4 != "-" {
            op = $3; sub(/#.*/, "", op)
            emit(0, $4, op)
            if (op == "compare_exchange") emit(1, $5, "load")
        }'
}

number_of() {
    case $1 in
    relaxed) echo 0 ;; acquire) echo 2 ;; release) echo 3 ;; acq_rel) echo 4 ;; *) echo 5 ;;
    esac
}

# The scenario that failed; the first, of several processes'.
failed_in() {
    sed -n '/^not ok/{ s/^not ok [0-9]* - \([a-z0-9_]*\):.*/\1/p; q; }' "$1"
}

# Prints the mutant, and what became of it. Of what is argued in survivors.txt a short search has to
# do: the long one would find nothing, each time anew.
try_order() {
    local file function access slot from to pcs scenarios names status=0
    local most=$executions random=3000

    read -r file function access slot from to pcs scenarios <<<"$1"
    names=$(tr ',' '\n' <<<"$scenarios" | sort -u | tr '\n' ' ')
    if grep -qE "^$file $function $access( on failure)?: $from -> $to [|]" "$survivors"; then
        most=$((executions / 10))
        random=300
    fi
    # shellcheck disable=SC2086
    timeout 300 "$model" --quiet --executions "$most" --random "$random" \
        --weaken "$pcs:$slot:$(number_of "$to")" $names >"$work/out.$$" 2>&1 || status=$?
    local verdict=survived
    if ((status == 1)); then
        verdict="killed by $(failed_in "$work/out.$$")"
    elif ((status != 0)); then
        verdict="died of status $status"
    fi
    rm -f "$work/out.$$"
    if ((slot == 1)); then access+=" on failure"; fi
    echo "$file $function $access: $from -> $to: $verdict"
}

run_orders() {
    rm -f "$work/hits"
    "$model" --quiet --jobs "$jobs" --executions 1500 --random 300 \
        --sites "$work/hits.all" >/dev/null ||
        { echo "the explorer fails without a mutant: run it first" >&2; exit 2; }
    grep -v '^self_' "$work/hits.all" >"$work/hits"
    rm -f "$work/hits.all"
    list_places >"$work/places"
    list_accesses >"$work/accesses"
    list_weakened <"$work/accesses" |
        awk -v k="${share%/*}" -v n="${share#*/}" 'NR % n == k' >"$work/orders"
    echo "$(wc -l <"$work/accesses") atomic accesses in the source," \
        "$(list_unreached | wc -l) of which are more than relaxed and no scenario reaches;" \
        "$(wc -l <"$work/orders") orders to weaken"
    list_unreached | grep -E "$pattern" >>"$work/results" || true
    { grep -E "$pattern" "$work/orders" || true; } |
        xargs -r -d '\n' -P "$jobs" -I '{}' bash -c 'try_order "$1"' _ '{}' |
        tee -a "$work/results" | progress "$(wc -l <"$work/orders")"
}

# A line that stays in its place on a terminal.
progress() {
    local done=0 line

    while read -r line; do
        done=$((done + 1))
        if [[ -t 2 ]]; then printf '\r\033[K%d of %d: %.60s' "$done" "$1" "$line" >&2; fi
    done
    if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# ---- The steps of the protocols ----

# They are shared out to as many builders as there are jobs. Builder K has a copy of the source in
# tree.K, a build in steps.K, and its files in step.K.

# Writes block N of mutants.txt as shell words: what, file, and the texts to two files of builder K.
read_step() {
    awk -v wanted="$1" -v from="$work/step.$2/from" -v to="$work/step.$2/to" '
        /^what: / { n++; if (n == wanted) print substr($0, 7) }
        n != wanted { next }
        /^file: / { print substr($0, 7) }
        /^models: / { print substr($0, 9) }
        /^<<<<$/ { out = from; printf "" >from; next }
        /^====$/ { out = to; printf "" >to; next }
        /^>>>>$/ { out = ""; next }
        out != "" { print >out }' "$tree/tests/model/mutants.txt"
}

# Replaces the text, which must stand in the file exactly once.
apply_step() {
    awk -v from="$work/step.$2/from" -v to="$work/step.$2/to" '
        function slurp(file,    line, text) {
            while ((getline line <file) > 0) text = text line "\n"
            return text
        }
        { text = text $0 "\n" }
        END {
            old = slurp(from); new = slurp(to)
            at = index(text, old)
            if (at == 0 || index(substr(text, at + 1), old) != 0) exit 1
            printf "%s%s%s", substr(text, 1, at - 1), new, substr(text, at + length(old))
        }' "$1"
}

# A copy of what the model is built from, with a build of its own.
prepare_steps() {
    local copy=$work/tree.$1

    mkdir -p "$copy" "$work/step.$1"
    (cd "$tree" && tar -cf - --exclude=./build --exclude=./.git .) | tar -C "$copy" -xf -
    cmake -S "$copy" -B "$work/steps.$1" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
    cmake --build "$work/steps.$1" -j 1 --target model >"$work/step.$1/log" 2>&1
}

try_step() {
    local what file models copy=$work/tree.$2 own=$work/step.$2 status=0

    { read -r what; read -r file; read -r models; } < <(read_step "$1" "$2")
    if ! apply_step "$tree/$file" "$2" >"$copy/$file"; then
        cp "$tree/$file" "$copy/$file"
        echo "$file: $what: the text is not there exactly once: survived"
        return
    fi
    if ! cmake --build "$work/steps.$2" -j 1 --target model >"$own/log" 2>&1; then
        status=3
    else
        # shellcheck disable=SC2086
        timeout 300 "$work/steps.$2/tests/model/model" --quiet \
            --executions "$executions" --random 3000 $models >"$own/out" 2>&1 || status=$?
    fi
    cp "$tree/$file" "$copy/$file"
    case $status in
    0) echo "$file: $what: survived" ;;
    1) echo "$file: $what: killed by $(failed_in "$own/out")" ;;
    3) echo "$file: $what: does not compile: survived" ;;
    *) echo "$file: $what: died of status $status" ;;
    esac
}

# Of the share, every so many: the part of one builder.
build_steps() {
    local seen=0

    prepare_steps "$1"
    for ((i = 1; i <= $2; i++)); do
        if ((i % ${share#*/} != ${share%/*})); then continue; fi
        seen=$((seen + 1))
        if (((seen + $1) % jobs != 0)); then continue; fi
        if ! read_step "$i" "$1" | grep -qE "$pattern"; then continue; fi
        try_step "$i" "$1"
    done
}

run_steps() {
    local count

    count=$(grep -c '^what: ' "$tree/tests/model/mutants.txt")
    echo "$count steps to take out"
    {
        for ((k = 1; k <= jobs; k++)); do
            build_steps "$k" "$count" &
        done
        wait
    } | tee -a "$work/results" | progress "$count"
}

# ---- The table ----

# survivors.txt: "MUTANT | REASON", where MUTANT is what stands here before the verdict. An entry of
# what is killed by now, or is there no longer, is stale: that is a failure, too, unless only some
# mutants were tried.
print_table() {
    awk -v orders="$orders" -v steps="$steps" -v pattern="$pattern" -v share="$share" '
        function is_wanted(mutant) {
            if (pattern != "." || share != "0/1") return 0
            return (mutant ~ /^[^ ]+: / ? steps : orders) == "true"
        }
        FNR == NR {
            if ($0 ~ /^#/ || $0 == "") next
            at = index($0, " | ")
            reason[substr($0, 1, at - 1)] = substr($0, at + 3)
            next
        }
        {
            mutant = $0
            sub(/: [^:]*$/, "", mutant)
            total++
            if ($0 ~ /: killed by ./) {
                killed++
                print
            } else if (mutant in reason) {
                argued++
                seen[mutant] = 1
                print $0 " (" reason[mutant] ")"
            } else {
                survived++
                print
            }
        }
        END {
            for (mutant in reason) {
                if (mutant in seen || !is_wanted(mutant)) continue
                stale++
                print "survivors.txt: " mutant ": does not survive: stale"
            }
            printf "%d mutants, %d killed, %d argued, %d survived\n", total, killed, argued,
                survived
            exit survived + stale > 0
        }' "$tree/tests/model/survivors.txt" <(sort "$work/results")
}

export -f try_order number_of failed_in
export work model executions survivors
if $orders; then run_orders; fi
if $steps; then run_steps; fi
print_table
