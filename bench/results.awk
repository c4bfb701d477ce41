# SPDX-License-Identifier: MIT
#
# Reads goals.txt and then results of bench/compare.sh, and answers what table.awk asks. A series is
# what one program did in one row with one number of workers, round by round; its figure is the time
# per operation, or the memory where the row is about that. A 99th percentile makes a row of its own,
# NAME_p99. With -v by_n=1, so does each number of operations: NAME@N. With -v by_cpu=1, CPU time
# stands for time, except where latency was measured.

function quotient(text,    parts) {
    return split(text, parts, "/") == 2 ? parts[1] / parts[2] : text + 0
}

# The median of one member over the rounds of a series; leaves the least and the greatest.
function median_of(key, name,    i, values) {
    for (i = 1; i <= rounds[key]; i++) values[i] = result[key, i, name]
    summarize(values, rounds[key])
    return median
}

function has_series(row, workers, program) {
    return (row SUBSEP workers SUBSEP program) in rounds
}

# The floor runs on one thread, whatever it is compared with.
function series(row, workers, program) {
    if (program ~ /^floor/ && !has_series(row, workers, program)) workers = 1
    return row SUBSEP workers SUBSEP program
}

# A floor is no peer: it does less than the work.
function is_peer(program) {
    return program !~ /^(rouse|floor)(\/|$)/
}

# The floor of a row in a style: some have one of their own for fibers. A style of it may be missing.
function floor_of(row, workers, style) {
    if (series(row, workers, "floor/" style) in rounds) return "floor/" style
    return "floor"
}

function style_of(program) {
    sub(/^rouse\/?/, "", program)
    return program
}

# Sets best to the peer's name, "" without one, and best_figure and best_cpu to its medians.
function find_best(row, workers,    i, key) {
    best = ""
    for (i = 1; i <= program_count; i++) {
        key = row SUBSEP workers SUBSEP program_name[i]
        if (!(key in rounds) || !is_peer(program_name[i])) continue
        if (best == "" || median_of(key, "figure") < best_figure) {
            best = program_name[i]
            best_figure = median_of(key, "figure")
            best_cpu = median_of(key, "cpu")
        }
    }
}

# How many times as fast as another the program was, in the rounds that both have: sets median,
# least and greatest. Returns how many rounds these are.
function ratio_to(other, row, workers, program,    key, peer, i, count, values, round) {
    key = series(row, workers, program)
    peer = series(row, workers, other)
    for (i = 1; i <= rounds[key]; i++) {
        round = round_name[key, i]
        if (!((peer, round) in round_of) || result[key, i, "figure"] <= 0) continue
        values[++count] = result[peer, round_of[peer, round], "figure"] / result[key, i, "figure"]
    }
    if (count > 0) summarize(values, count)
    return count + 0
}

# Sets goal_text, and goal_kind: "none", "at_most" (goal_value, for goal_of: "figure" or "cpu"), or
# "ratio" (goal_value, to goal_to; "" is the best peer).
function find_goal(row, workers, style,    i, parts) {
    goal_kind = "none"
    goal_text = "-"
    goal_to = ""
    for (i = 1; i <= goals; i++) {
        if ((goal_row[i] == row || goal_row[i] == "*") &&
            (goal_workers[i] == workers || goal_workers[i] == "*") &&
            (goal_style[i] == style || goal_style[i] == "*")) break
    }
    if (i > goals || goal[i] == "-") return
    if (split(goal[i], parts, "<=") == 2) {
        goal_kind = "at_most"
        goal_of = parts[1] == "" ? "figure" : parts[1]
        goal_value = parts[2] + 0
        goal_text = goal[i]
        return
    }
    goal_kind = "ratio"
    goal_value = quotient(goal[i])
    if (split(goal[i], parts, ":") == 2) {
        goal_to = parts[1]
        goal_value = quotient(parts[2])
    }
    goal_text = sprintf("%.2f", goal_value)
}

# True if the least that the row takes misses the goal. Where the floor is of fewer threads than there
# are workers, that is its processor time, shared among them evenly.
function floor_misses(row, workers, program,    key, cpu) {
    key = series(row, workers, floor_of(row, workers, style_of(program)))
    if (!(key in rounds) || goal_to != "") return 0
    cpu = median_of(key, "cpu")
    if (goal_kind == "at_most") return goal_of == "cpu" && cpu > goal_value
    return cpu > 0 && best_figure * workers / cpu < goal_value
}

# After find_best() and find_goal(): "met"; "missed"; "floor": missed, and out of reach, since the
# floor misses it as well; or "" where it cannot be told.
function verdict(row, workers, program,    key, met) {
    key = series(row, workers, program)
    if (goal_kind == "at_most") {
        met = median_of(key, goal_of) <= goal_value
    } else if (goal_kind == "none" ||
               !ratio_to(goal_to == "" ? best : goal_to, row, workers, program)) {
        return ""
    } else {
        met = median >= goal_value
    }
    if (met) return "met"
    return floor_misses(row, workers, program) ? "floor" : "missed"
}

function add_row(row, workers, unit) {
    if ((row, workers) in seen_row) return
    seen_row[row, workers] = 1
    unit_of[row] = unit
    if (!(workers in row_count)) worker_numbers[++worker_count] = workers
    row_name[workers, ++row_count[workers]] = row
}

function add_program(program, workers) {
    ran_with[workers, program] = 1
    if (program in seen_program) return
    seen_program[program] = 1
    program_name[++program_count] = program
}

function add_result(row, workers, program, name, figure, unit, line,    key, round) {
    add_row(row, workers, unit)
    add_program(program, workers)
    key = row SUBSEP workers SUBSEP program
    round = ++rounds[key]
    round_of[key, name] = round
    round_name[key, round] = name
    result[key, round, "figure"] = figure + 0
    result[key, round, "cpu"] = member(line, "cpu_ns_per_op") + 0
    result[key, round, "rss"] = member(line, "rss_kib") / 1024
}

FNR == NR {
    if ($0 !~ /^#/ && NF == 4) {
        goals++
        goal_row[goals] = $1
        goal_workers[goals] = $2
        goal_style[goals] = $3
        goal[goals] = $4
    }
    next
}

# The figure of a result, in the unit that it sets.
function figure_of(line,    bytes) {
    bytes = member(line, "bytes_per_op")
    unit = bytes == "" ? "ns" : "bytes"
    if (bytes != "") return bytes
    return member(line, by_cpu && member(line, "p99_ns") == "" ? "cpu_ns_per_op" : "ns_per_op")
}

{
    row = member($0, "bench")
    if (by_n) row = row "@" requested_n($0)
    program = member($0, "impl")
    if (member($0, "style") != "-") program = program "/" member($0, "style")
    workers = member($0, "workers")
    round = member($0, "round")
    figure = figure_of($0)
    p99 = member($0, "p99_ns")
    add_result(row, workers, program, round, figure, unit, $0)
    if (p99 != "") add_result(row "_p99", workers, program, round, p99, "ns", $0)
}

# What was asked for; a row may have rounded it down.
function requested_n(line,    n) {
    n = member(line, "requested_n")
    return n == "" ? member(line, "n") : n
}
