# SPDX-License-Identifier: MIT
#
# Makes a table of the results of bench/compare.sh:
#
#     awk -f bench/table.awk bench/goals.txt build/bench/results.jsonl
#
# One line for each row, number of workers and program: the median and the spread of its rounds. A
# line of rouse also has the ratio to the best peer, which is the one whose median is least: above
# 1, rouse is faster. The ratio is taken round by round, then its median; behind it stands the goal.
# The ratio in CPU time is the quotient of the medians. It says more where other programs run, too.
#
# With -v form=plot, the speeds that bench/plot.gp draws: the best peer's median divided by each
# program's. One block for each number of workers, and a column for each program.

function quotient(text,    parts) {
    return split(text, parts, "/") == 2 ? parts[1] / parts[2] : text + 0
}

# The value of a member of the line's JSON object: flat, and with no comma within strings.
function member(line, name,    value) {
    if (!match(line, "\"" name "\": *\"?[^,\"}]*")) return ""
    value = substr(line, RSTART, RLENGTH)
    sub(/^"[a-z_]*": *"?/, "", value)
    return value
}

# Sorts values[1..count], few of them, and leaves the median, the least and the greatest.
function summarize(values, count,    i, j, value) {
    for (i = 2; i <= count; i++) {
        value = values[i]
        for (j = i - 1; j >= 1 && values[j] > value; j--) values[j + 1] = values[j]
        values[j + 1] = value
    }
    median = (values[int((count + 1) / 2)] + values[int(count / 2) + 1]) / 2
    least = values[1]
    greatest = values[count]
}

# Those of one member over the rounds of a series.
function summarize_series(key, name,    i, values) {
    for (i = 1; i <= rounds[key]; i++) values[i] = result[key, i, name]
    summarize(values, rounds[key])
}

function goal_of(row, workers, style,    i) {
    for (i = 1; i <= goals; i++) {
        if ((goal_row[i] == row || goal_row[i] == "*") &&
            (goal_workers[i] == workers || goal_workers[i] == "*") &&
            (goal_style[i] == style || goal_style[i] == "*")) return goal_ratio[i]
    }
    return ""
}

FNR == NR {
    if ($0 !~ /^#/ && NF == 4) {
        goals++
        goal_row[goals] = $1
        goal_workers[goals] = $2
        goal_style[goals] = $3
        goal_ratio[goals] = quotient($4)
    }
    next
}

# A series is what one program did in one row with one number of workers, round by round.
{
    bench = member($0, "bench")
    program = member($0, "impl")
    style = member($0, "style")
    if (style != "-") program = program "/" style
    workers = member($0, "workers")
    key = bench SUBSEP workers SUBSEP program
    if (!((bench, workers) in seen_row)) {
        seen_row[bench, workers] = 1
        if (!(workers in row_count)) worker_numbers[++worker_count] = workers
        row_name[workers, ++row_count[workers]] = bench
    }
    if (!(program in seen_program)) {
        seen_program[program] = 1
        program_name[++program_count] = program
    }
    ran_with[workers, program] = 1
    round = ++rounds[key]
    round_of[key, member($0, "round")] = round
    round_name[key, round] = member($0, "round")
    result[key, round, "ns"] = member($0, "ns_per_op") + 0
    result[key, round, "cpu"] = member($0, "cpu_ns_per_op") + 0
    result[key, round, "rss"] = member($0, "rss_kib") + 0
}

# A floor is no peer: it does less than the work.
function is_peer(program) {
    return program !~ /^(rouse|floor)(\/|$)/
}

# Sets best to the peer's name, "" without one, and best_ns and best_cpu to its medians.
function find_best(row, workers,    i, key) {
    best = ""
    for (i = 1; i <= program_count; i++) {
        key = row SUBSEP workers SUBSEP program_name[i]
        if (!(key in rounds) || !is_peer(program_name[i])) continue
        summarize_series(key, "ns")
        if (best == "" || median < best_ns) {
            best = program_name[i]
            best_ns = median
            summarize_series(key, "cpu")
            best_cpu = median
        }
    }
}

# The ratios of the rounds that both have.
function summarize_ratio(row, workers, program,    key, peer, i, count, values, round) {
    key = row SUBSEP workers SUBSEP program
    peer = row SUBSEP workers SUBSEP best
    for (i = 1; i <= rounds[key]; i++) {
        round = round_name[key, i]
        if (!((peer, round) in round_of) || result[key, i, "ns"] <= 0) continue
        values[++count] = result[peer, round_of[peer, round], "ns"] / result[key, i, "ns"]
    }
    if (count > 0) summarize(values, count)
    return count
}

function ratio_columns(row, workers, program, cpu,    style, goal) {
    if (program !~ /^rouse/ || best == "" || !summarize_ratio(row, workers, program)) return ""
    style = program
    sub(/^rouse\/?/, "", style)
    goal = goal_of(row, workers, style)
    return sprintf("  %9s %-29s %5s %s", cpu > 0 ? sprintf("%.2f", best_cpu / cpu) : "-",
        sprintf("%5.2f (%.2f..%.2f) of %s", median, least, greatest, best),
        goal == "" ? "-" : sprintf("%.2f", goal),
        goal == "" ? "" : median >= goal ? "met" : "missed")
}

function print_series(row, workers, program,    key, ns, cpu, rss) {
    key = row SUBSEP workers SUBSEP program
    summarize_series(key, "ns")
    ns = sprintf("%9.1f (%.1f..%.1f)", median, least, greatest)
    summarize_series(key, "cpu")
    cpu = median
    summarize_series(key, "rss")
    rss = median / 1024
    printf "%-14s %2d  %-13s %-28s %9.1f %9.1f%s\n", row, workers, program, ns, cpu, rss,
        ratio_columns(row, workers, program, cpu)
}

function print_table(    w, r, p, row, workers) {
    printf "%-14s %2s  %-13s %-28s %9s %9s  %9s %-29s %5s\n", "row", "w", "program",
        "   ns/op (least..greatest)", "CPU ns/op", "peak MiB", "CPU ratio",
        "ratio to the best peer", "goal"
    for (w = 1; w <= worker_count; w++) {
        workers = worker_numbers[w]
        for (r = 1; r <= row_count[workers]; r++) {
            row = row_name[workers, r]
            find_best(row, workers)
            for (p = 1; p <= program_count; p++) {
                if ((row SUBSEP workers SUBSEP program_name[p]) in rounds) {
                    print_series(row, workers, program_name[p])
                }
            }
        }
    }
}

# The speed of one program in a row, or "?" where it does not have the row. The best is known.
function speed(row, workers, program,    key) {
    key = row SUBSEP workers SUBSEP program
    if (!(key in rounds)) return "?"
    summarize_series(key, "ns")
    return sprintf("%.4f", best_ns / median)
}

# The header begins with the number of workers; then come the programs that ran with so many.
function print_block(workers,    r, p, row, line) {
    line = workers
    for (p = 1; p <= program_count; p++) {
        if ((workers, program_name[p]) in ran_with) line = line " " program_name[p]
    }
    print line
    for (r = 1; r <= row_count[workers]; r++) {
        row = row_name[workers, r]
        find_best(row, workers)
        if (best == "") continue
        line = row
        for (p = 1; p <= program_count; p++) {
            if ((workers, program_name[p]) in ran_with) {
                line = line " " speed(row, workers, program_name[p])
            }
        }
        print line
    }
}

function print_plot(    w) {
    for (w = 1; w <= worker_count; w++) {
        if (w > 1) printf "\n\n"
        print_block(worker_numbers[w])
    }
}

END {
    if (form == "plot") {
        print_plot()
    } else {
        print_table()
    }
}
