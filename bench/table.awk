# SPDX-License-Identifier: MIT
#
# Makes a table of the results of bench/compare.sh:
#
#     awk -f bench/numbers.awk -f bench/results.awk -f bench/table.awk bench/goals.txt RESULTS
#
# One line for each row, number of workers and program: the median and the spread of its rounds.
# Behind rouse stand the ratio to the best peer, which is the one whose median is least (above 1,
# rouse is faster), taken round by round, then its median; the goal; and the floor. The ratio in CPU
# time is the quotient of the medians. It says more where other programs run, too. Behind a peer
# stands how many times as fast rouse is.
#
#     -v form=markdown   the same, one line for each row, number of workers and style of rouse
#     -v form=plot       the speeds that bench/plot.gp draws: the best peer's median divided by each
#                        program's; a block for each number of workers, a column for each program
#                        but the floor, which would dwarf them
#     -v form=growth -v by_n=1        medians by the number of operations
#     -v form=growth_plot -v by_n=1   the same in blocks, for bench/growth.gp

# ---- Text ----

function floor_column(row, workers, style, figure,    key, bottom) {
    key = series(row, workers, floor_of(row, workers, style))
    if (!(key in rounds)) return ""
    bottom = median_of(key, "figure")
    return sprintf("%.1f (%.1fx)", bottom, bottom > 0 ? figure / bottom : 0)
}

function rouse_columns(row, workers, program, figure, cpu,    against, ratio, cpu_ratio, said) {
    find_goal(row, workers, style_of(program))
    said = verdict(row, workers, program)
    against = goal_to == "" ? best : goal_to
    ratio = "-"
    cpu_ratio = "-"
    if (against != "" && ratio_to(against, row, workers, program)) {
        ratio = sprintf("%5.2f (%.2f..%.2f) of %s", median, least, greatest, against)
    }
    if (best != "" && cpu > 0) cpu_ratio = sprintf("%.2f", best_cpu / cpu)
    if (ratio == "-" && said == "") goal_text = "-"
    return sprintf("  %9s %-29s %5s %-6s %s", cpu_ratio, ratio, goal_text, said,
        floor_column(row, workers, style_of(program), figure))
}

# How many times as fast as this peer each style of rouse is.
function peer_columns(row, workers, figure,    p, key, text) {
    for (p = 1; p <= program_count; p++) {
        key = row SUBSEP workers SUBSEP program_name[p]
        if (program_name[p] !~ /^rouse/ || !(key in rounds) || median_of(key, "figure") <= 0) continue
        if (text != "") text = text ", "
        text = text sprintf("%s is %.2fx", program_name[p], figure / median)
    }
    return text == "" ? "" : "            " text
}

function print_series(row, workers, program,    key, figure, cpu, spread, columns, line) {
    key = row SUBSEP workers SUBSEP program
    figure = median_of(key, "figure")
    spread = sprintf("%9.1f (%.1f..%.1f)", figure, least, greatest)
    cpu = median_of(key, "cpu")
    if (program ~ /^rouse/) columns = rouse_columns(row, workers, program, figure, cpu)
    if (is_peer(program)) columns = peer_columns(row, workers, figure)
    line = sprintf("%-14s %2d  %-13s %-28s %9.1f %9.1f%s", label(row), workers, program, spread, cpu,
        median_of(key, "rss"), columns)
    sub(/ +$/, "", line)
    print line
}

function label(row) {
    return unit_of[row] == "ns" ? row : row ", B"
}

function print_table(    w, r, p, row, workers) {
    printf "%-14s %2s  %-13s %-28s %9s %9s  %9s %-29s %5s %-6s %s\n", "row", "w", "program",
        (by_cpu ? "   CPU ns/op" : "   ns/op") " (least..greatest)", "CPU ns/op", "peak MiB", "CPU ratio",
        "ratio to the best peer", "goal", "", "floor (times)"
    for (w = 1; w <= worker_count; w++) {
        workers = worker_numbers[w]
        for (r = 1; r <= row_count[workers]; r++) {
            row = row_name[workers, r]
            find_best(row, workers)
            for (p = 1; p <= program_count; p++) {
                if (has_series(row, workers, program_name[p])) {
                    print_series(row, workers, program_name[p])
                }
            }
        }
    }
}

# ---- Markdown ----

function short(figure) {
    return figure < 100 ? sprintf("%.1f", figure) : sprintf("%.0f", figure)
}

# A peer's median, and how many times as fast rouse is; or the floor's for that style of rouse.
function peer_cell(row, workers, style, peer, figure,    key, text) {
    key = series(row, workers, peer == "floor" ? floor_of(row, workers, style) : peer)
    if (!(key in rounds)) return ""
    text = short(median_of(key, "figure"))
    if (figure > 0 && is_peer(peer)) text = text sprintf(" (%.2f)", median / figure)
    return text
}

function print_markdown_line(row, workers, program, others, count,    p, key, figure, line, said) {
    key = row SUBSEP workers SUBSEP program
    figure = median_of(key, "figure")
    line = sprintf("| `%s`%s | %d | %s | %s | %s to %s | %s | %.1f |", row,
        unit_of[row] == "ns" ? "" : ", bytes", workers, style_of(program), short(figure),
        short(least), short(greatest), short(median_of(key, "cpu")), median_of(key, "rss"))
    for (p = 1; p <= count; p++) {
        line = line " " peer_cell(row, workers, style_of(program), others[p], figure) " |"
    }
    find_goal(row, workers, style_of(program))
    said = verdict(row, workers, program)
    if (said == "") goal_text = ""
    if (said != "" && goal_to != "") goal_text = goal_text " of " goal_to
    sub(/<=/, " ≤ ", goal_text)
    sub(/^ /, "", goal_text)
    print line " " goal_text " | " said " |"
}

function print_markdown(    w, r, p, row, workers, others, count, line, rule) {
    line = "| row | workers | style | median | spread | CPU | peak MiB |"
    rule = "|---|---|---|---|---|---|---|"
    for (p = 1; p <= program_count; p++) {
        if (program_name[p] !~ /^(rouse|floor\/)/) others[++count] = program_name[p]
    }
    for (p = 1; p <= count; p++) {
        line = line " " others[p] " |"
        rule = rule "---|"
    }
    print line " goal | |"
    print rule "---|---|"
    for (w = 1; w <= worker_count; w++) {
        workers = worker_numbers[w]
        for (r = 1; r <= row_count[workers]; r++) {
            row = row_name[workers, r]
            find_best(row, workers)
            for (p = 1; p <= program_count; p++) {
                if (program_name[p] ~ /^rouse/ && has_series(row, workers, program_name[p])) {
                    print_markdown_line(row, workers, program_name[p], others, count)
                }
            }
        }
    }
}

# ---- Speeds, to be drawn ----

# The speed of one program in a row, or "?" where it does not have the row. The best is known.
function speed(row, workers, program,    key) {
    key = row SUBSEP workers SUBSEP program
    if (!(key in rounds) || median_of(key, "figure") <= 0) return "?"
    return sprintf("%.4f", best_figure / median)
}

function is_drawn(workers, program) {
    return program !~ /^floor/ && (workers, program) in ran_with
}

# The header begins with the number of workers; then come the programs that ran with so many.
function print_block(workers,    r, p, row, line) {
    line = workers
    for (p = 1; p <= program_count; p++) {
        if (is_drawn(workers, program_name[p])) line = line " " program_name[p]
    }
    print line
    for (r = 1; r <= row_count[workers]; r++) {
        row = row_name[workers, r]
        find_best(row, workers)
        if (best == "") continue
        line = row
        for (p = 1; p <= program_count; p++) {
            if (is_drawn(workers, program_name[p])) {
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

# ---- Growth ----

# Splits the rows, which are NAME@N, into base_name[1..bases] and count_name[1..counts].
function find_counts(    w, r, parts) {
    for (w = 1; w <= worker_count; w++) {
        for (r = 1; r <= row_count[worker_numbers[w]]; r++) {
            split(row_name[worker_numbers[w], r], parts, "@")
            sub(/_p99$/, "", parts[2])
            if (!(parts[1] in seen_base)) base_name[++bases] = parts[1]
            if (!(parts[2] in seen_count)) count_name[++counts] = parts[2]
            seen_base[parts[1]] = 1
            seen_count[parts[2]] = 1
        }
    }
}

# Sets figure_at[1..counts], "" where there is none; false if there is none at all.
function find_growth(base, workers, program,    c, key, any) {
    for (c = 1; c <= counts; c++) {
        key = base "@" count_name[c] SUBSEP workers SUBSEP program
        figure_at[c] = key in rounds ? median_of(key, "figure") : ""
        if (figure_at[c] != "") any = 1
    }
    return any
}

function growth_line(base, workers, program,    c, line, first, last) {
    line = sprintf("%-14s %2d  %-13s", base, workers, program)
    for (c = 1; c <= counts; c++) {
        line = line sprintf(" %10s", figure_at[c] == "" ? "-" : sprintf("%.1f", figure_at[c]))
        if (figure_at[c] == "") continue
        if (first == "") first = figure_at[c]
        last = figure_at[c]
    }
    return line sprintf("  %8s", first > 0 ? sprintf("%.2f", last / first) : "-")
}

function print_growth(    b, w, p, c) {
    printf "%-14s %2s  %-13s", "row", "w", "program"
    for (c = 1; c <= counts; c++) printf " %10s", count_name[c]
    printf "  %8s\n", "last/1st"
    for (b = 1; b <= bases; b++) {
        for (w = 1; w <= worker_count; w++) {
            for (p = 1; p <= program_count; p++) {
                if (!find_growth(base_name[b], worker_numbers[w], program_name[p])) continue
                print growth_line(base_name[b], worker_numbers[w], program_name[p])
            }
        }
    }
}

# A block for each row; its header names the row and then PROGRAM:WORKERS for each column.
function print_growth_block(base,    w, p, c, line, columns, values) {
    line = base
    for (p = 1; p <= program_count; p++) {
        for (w = 1; w <= worker_count; w++) {
            if (!find_growth(base, worker_numbers[w], program_name[p])) continue
            columns++
            line = line " " program_name[p] ":" worker_numbers[w]
            for (c = 1; c <= counts; c++) values[c, columns] = figure_at[c]
        }
    }
    print line
    for (c = 1; c <= counts; c++) {
        line = count_name[c]
        for (p = 1; p <= columns; p++) line = line " " (values[c, p] > 0 ? values[c, p] : "?")
        print line
    }
}

function print_growth_plot(    b) {
    for (b = 1; b <= bases; b++) {
        if (b > 1) printf "\n\n"
        print_growth_block(base_name[b])
    }
}

END {
    if (by_n) find_counts()
    if (form == "plot") {
        print_plot()
    } else if (form == "markdown") {
        print_markdown()
    } else if (form == "growth") {
        print_growth()
    } else if (form == "growth_plot") {
        print_growth_plot()
    } else {
        print_table()
    }
}
