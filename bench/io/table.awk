# SPDX-License-Identifier: MIT
#
# Makes a table of the results of bench/io/compare.sh:
#
#     awk -f bench/numbers.awk -f bench/io/table.awk bench/io/goals.txt build/bench/io.jsonl
#
# One line for each piece of work and each server: medians of the rounds and, of what is to be
# compared, the least and the greatest. What is compared is CPU time for a request, or bytes for a
# connection in idle, or instructions; in mixed it is latency alone, since the CPU time is that of
# the computation. The ratio is taken round by round to the server called epoll, or else Tokio's, or
# else the last one; above 1 is better than that. That of the leasts compares the rounds that were
# disturbed least.
#
#     -v form=markdown   the same as Markdown
#     -v form=plot       the ratios of CPU time that bench/io/plot.gp draws: a line for each piece of
#                        work, a column for each server

function add_work(name) {
    if (name in servers_of) return
    work_names[++work_count] = name
    servers_of[name] = 0
}

function add_server(work, server) {
    if ((work, server) in rounds) return
    server_name[work, ++servers_of[work]] = server
    if (!(server in column_of)) {
        column_name[++column_count] = server
        column_of[server] = column_count
    }
}

# The name that compare.sh was given.
function server_of(line,    name, reactor) {
    name = member(line, "impl")
    reactor = member(line, "reactor")
    if (member(line, "style") != "-") name = name "/" member(line, "style")
    return reactor == "-" ? name : name "/" reactor
}

function read_goal() {
    goals++
    goal_work[goals] = $1
    goal_connections[goals] = $2
    goal_depth[goals] = $3
    goal_style[goals] = $4
    goal_text[goals] = $5
    goal_tail[goals] = $6 == "tail"
}

function read_result(    work, server, round, i) {
    work = member($0, "bench") SUBSEP member($0, "connections") SUBSEP member($0, "depth")
    server = server_of($0)
    add_work(work)
    add_server(work, server)
    round = ++rounds[work, server]
    style[work, server] = member($0, "style")
    impl[work, server] = member($0, "impl")
    at_round[work, server, member($0, "round")] = round
    round_name[work, server, round] = member($0, "round")
    for (i = 1; i <= figure_count; i++) {
        figure[work, server, round, figure_name[i]] = member($0, figure_name[i])
    }
}

# The median of a figure over the rounds; leaves the least and the greatest. "" if there is none.
function median_of(work, server, name,    i, values, count) {
    for (i = 1; i <= rounds[work, server]; i++) {
        if (figure[work, server, i, name] !~ /^-?[0-9]/) continue
        values[++count] = figure[work, server, i, name] + 0
    }
    if (count == 0) return ""
    summarize(values, count)
    return median
}

# How many times as good as the base the server was, in the rounds that both have: leaves median,
# least and greatest. `inverse`: more is better. Returns how many rounds these are.
function ratio_of(work, server, base, name, inverse,    i, j, mine, other, values, count) {
    for (i = 1; i <= rounds[work, server]; i++) {
        j = at_round[work, base, round_name[work, server, i]]
        mine = figure[work, server, i, name] + 0
        other = figure[work, base, j, name] + 0
        if (j == "" || mine <= 0 || other <= 0) continue
        values[++count] = inverse ? mine / other : other / mine
    }
    if (count > 0) summarize(values, count)
    return count + 0
}

function base_of(work) {
    if ((work, "epoll") in rounds) return "epoll"
    if ((work, "tokio") in rounds) return "tokio"
    return server_name[work, servers_of[work]]
}

# The number of the goal, or 0.
function find_goal(work, server,    part, i) {
    split(work, part, SUBSEP)
    if (impl[work, server] !~ /^(rouse|httpd)$/ || is_count(work)) return 0
    for (i = 1; i <= goals; i++) {
        if (goal_work[i] == part[1] && (goal_connections[i] == "*" || goal_connections[i] == part[2]) &&
            (goal_depth[i] == "*" || goal_depth[i] == part[3]) &&
            (goal_style[i] == "*" || goal_style[i] == style[work, server])) {
            return goal_text[i] == "-" ? 0 : i
        }
    }
    return 0
}

# The goal and whether it is met, or "".
function verdict(work, server,    g, text, met) {
    g = find_goal(work, server)
    if (g == 0) return ""
    text = goal_text[g]
    if (text ~ /^<=/) {
        text = substr(text, 3)
        return "<= " text ", " (median_of(work, server, "bytes_per_conn") <= text + 0 ? "met" : "missed")
    }
    if (base_of(work) != "epoll" || !ratio_of(work, server, "epoll", "core_us_per_req")) return ""
    met = median >= text + 0 ? "met" : "missed"
    text = text ", " met
    if (goal_tail[g] && ratio_of(work, server, "epoll", "p999_us")) {
        text = text "; p99.9 " (median >= 1 ? "met" : "missed")
    }
    return text
}

# --- text ----------------------------------------------------------------------------------------

function label(work,    part) {
    split(work, part, SUBSEP)
    return sprintf("%s %d%s", part[1], part[2], part[3] > 1 ? " x" part[3] : "")
}

function is_memory(work) {
    return work ~ "^idle" SUBSEP
}

function has_cpu(work) {
    return work !~ "^(idle|mixed)" SUBSEP
}

function is_count(work) {
    return work ~ "^[a-z]*_instructions" SUBSEP
}

# What is compared, and its unit.
function figure_of(work) {
    if (is_memory(work)) return "bytes_per_conn"
    return is_count(work) ? "instructions_per_req" : "core_us_per_req"
}

function unit_of(work) {
    if (is_memory(work)) return "bytes per connection"
    return is_count(work) ? "instructions per request" : "CPU us per request"
}

# The quotient of the leasts.
function least_ratio(work, server, base, name,    other) {
    if (median_of(work, base, name) == "") return "-"
    other = least
    if (median_of(work, server, name) == "" || least <= 0) return "-"
    return sprintf("%.2f", other / least)
}

function with_ratio(text, work, server, base, name, inverse) {
    if (server == base || !ratio_of(work, server, base, name, inverse)) return text
    return sprintf("%s (%.2f)", text, median)
}

# Sets cell[1..9]: server, figure, ratio, goal, requests per second, p50, p99, p99.9, ratio of the
# leasts.
function fill_cells(work, server,    base, name, digits, value) {
    base = base_of(work)
    name = figure_of(work)
    digits = is_memory(work) ? 1 : is_count(work) ? 0 : 3
    value = has_cpu(work) || is_memory(work) ? median_of(work, server, name) : ""
    cell[1] = server
    cell[2] = "-"
    if (value != "") {
        cell[2] = sprintf("%.*f (%.*f to %.*f)", digits, value, digits, least, digits, greatest)
    }
    cell[3] = cell[9] = "-"
    if (has_cpu(work) && ratio_of(work, server, base, name)) {
        cell[3] = sprintf("%.2f (%.2f to %.2f)", median, least, greatest)
        cell[9] = least_ratio(work, server, base, name)
    }
    cell[4] = verdict(work, server)
    cell[5] = cell[6] = cell[7] = cell[8] = "-"
    if (is_memory(work) || is_count(work)) return
    cell[5] = with_ratio(sprintf("%.0f", median_of(work, server, "req_per_s")), work, server, base,
        "req_per_s", 1)
    cell[6] = sprintf("%.0f", median_of(work, server, "p50_us"))
    cell[7] = sprintf("%.0f", median_of(work, server, "p99_us"))
    cell[8] = with_ratio(sprintf("%.0f", median_of(work, server, "p999_us")), work, server, base,
        "p999_us")
}

function print_table(    w, s, work) {
    for (w = 1; w <= work_count; w++) {
        work = work_names[w]
        printf "%s%s\n", (w > 1 ? "\n" : ""), label(work)
        printf "  %-22s %-24s %-22s %-7s %-18s %-8s %-8s %-16s %s\n", "server", unit_of(work),
            (has_cpu(work) ? "of " base_of(work) : ""), (has_cpu(work) ? "leasts" : ""),
            "requests/s", "p50 us", "p99 us", "p99.9 us", "goal"
        for (s = 1; s <= servers_of[work]; s++) {
            fill_cells(work, server_name[work, s])
            printf "  %-22s %-24s %-22s %-7s %-18s %-8s %-8s %-16s %s\n", cell[1], cell[2], cell[3],
                cell[9], cell[5], cell[6], cell[7], cell[8], cell[4]
        }
    }
}

function print_markdown(    w, s, work) {
    print "| work | server | CPU µs | ratio | leasts | requests/s | p50 µs | p99 µs | p99.9 µs | goal |"
    print "|---|---|---|---|---|---|---|---|---|---|"
    for (w = 1; w <= work_count; w++) {
        work = work_names[w]
        for (s = 1; s <= servers_of[work]; s++) {
            fill_cells(work, server_name[work, s])
            sub(/<=/, "≤", cell[4])
            printf "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", label(work), cell[1],
                cell[2], cell[3], cell[9], cell[5], cell[6], cell[7], cell[8], cell[4]
        }
    }
}

function print_plot(    w, c, work, line) {
    line = "work"
    for (c = 1; c <= column_count; c++) line = line " " column_name[c]
    print line
    for (w = 1; w <= work_count; w++) {
        work = work_names[w]
        if (base_of(work) != "epoll" || !has_cpu(work) || is_count(work)) continue
        line = label(work)
        gsub(/ /, "-", line)
        for (c = 1; c <= column_count; c++) {
            if ((work, column_name[c]) in rounds &&
                ratio_of(work, column_name[c], "epoll", "core_us_per_req")) {
                line = line sprintf(" %.3f", median)
            } else {
                line = line " ?"
            }
        }
        print line
    }
}

BEGIN {
    figure_count = split("core_us_per_req req_per_s p50_us p99_us p999_us rss_kib bytes_per_conn" \
        " instructions_per_req", figure_name, " ")
}

FNR == NR {
    if ($0 !~ /^#/ && NF >= 5) read_goal()
    next
}

{ read_result() }

END {
    if (form == "markdown") {
        print_markdown()
    } else if (form == "plot") {
        print_plot()
    } else {
        print_table()
    }
}
