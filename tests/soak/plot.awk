# SPDX-License-Identifier: MIT
#
# Draws the samples of a soak: CSV in, SVG out. A small chart for each column, from zero up to its
# greatest value; what only grows is drawn as what it grew by in each second.
#
#     awk -f tests/soak/plot.awk build/soak.csv >build/soak.svg
BEGIN {
    FS = ","
    across = 4
    width = 300
    height = 130
    plot_width = 270
    plot_height = 80
    split("operations echoed_mib polls steals parks", growing, " ")
    for (i in growing) grows[growing[i]] = 1
}

NR == 1 {
    columns = NF
    for (i = 2; i <= NF; i++) name[i] = $i
    next
}

{
    rows++
    at[rows] = $1
    for (i = 2; i <= columns; i++) {
        value[rows, i] = name[i] in grows ? $i - last[i] : $i
        last[i] = $i
        if (value[rows, i] > most[i]) most[i] = value[rows, i]
    }
}

function chart(i, left, top,    row, x, y, points) {
    printf "<g transform=\"translate(%d %d)\">\n", left, top
    printf "<text y=\"12\">%s%s</text>\n", name[i], name[i] in grows ? " per second" : ""
    printf "<text class=\"most\" x=\"%d\" y=\"12\">%d</text>\n", plot_width, most[i]
    printf "<path class=\"axis\" d=\"M0 %d H%d\"/>\n", 20 + plot_height, plot_width
    for (row = 1; row <= rows; row++) {
        x = at[rows] > 0 ? at[row] / at[rows] * plot_width : 0
        y = 20 + plot_height - (most[i] > 0 ? value[row, i] / most[i] * plot_height : 0)
        points = points sprintf("%.1f,%.1f ", x, y)
    }
    printf "<polyline points=\"%s\"/>\n</g>\n", points
}

END {
    down = int((columns - 1 + across - 1) / across)
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n",
        across * width + 20, down * height + 40
    print "<style>text{font:12px sans-serif}.most{text-anchor:end}" \
        "polyline{fill:none;stroke:#06c}.axis{stroke:#888}</style>"
    print "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    printf "<text x=\"15\" y=\"20\">a soak of %d seconds</text>\n", at[rows]
    for (i = 2; i <= columns; i++) {
        chart(i, 15 + (i - 2) % across * width, 35 + int((i - 2) / across) * height)
    }
    print "</svg>"
}
