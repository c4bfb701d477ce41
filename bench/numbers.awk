# SPDX-License-Identifier: MIT
#
# What every table of benchmarks needs: a member of a line of JSON, and the median of some numbers.

# The value of a member of the line's JSON object: flat, and with no comma within strings.
function member(line, name,    value) {
    if (!match(line, "\"" name "\": *\"?[^,\"}]*")) return ""
    value = substr(line, RSTART, RLENGTH)
    sub(/^"[a-z0-9_]*": *"?/, "", value)
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
