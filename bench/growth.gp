# SPDX-License-Identifier: MIT
#
# The part of plot.gp that draws growth: a panel for each row, the figure against the number of
# operations, both on logarithmic axes. Solid lines are one worker, dashed ones two; peers are grey.
# The last panel is the key. `read_growth`, `colour_of` and `picture` are set by plot.gp.

data = "<" . read_growth
stats data using 0 nooutput
panels = STATS_blocks
header(panel) = system(sprintf("%s | awk 'NF && !/^[0-9]/ && ++n == %d'", read_growth, panel))
every_name = system(read_growth . " | awk 'NF && !/^[0-9]/ { for (i = 2; i <= NF; i++) " . \
    "if (!seen[$i]++) print $i }'")
program_of(name) = name[1:strstrt(name, ":") - 1]
workers_of(name) = int(name[strstrt(name, ":") + 1:*])
dash_of(name) = workers_of(name) == 1 ? 1 : 2

across = panels < 3 ? panels + 1 : 4
down = (panels + across) / across
set terminal svg size across * 300, down * 240 + 40 font "sans-serif,11" background "white"
set output picture
set border 3 lc "#555555"
set tics nomirror out scale 0.5
set grid ytics lc "#dddddd"
set logscale xy
set format x "10^{%L}"
set xrange [700:1400000]
set xtics 1000, 10, 1000000
unset key

set multiplot layout down, across
do for [panel = 1:panels] {
    names = header(panel)
    set title word(names, 1) noenhanced offset 0, -0.5
    plot for [p = 2:words(names)] data index panel - 1 every ::1 using 1:p with linespoints \
        pointtype 7 pointsize 0.4 dashtype dash_of(word(names, p)) \
        linecolor rgb colour_of(program_of(word(names, p)))
}
unset border
unset tics
unset title
unset logscale
set yrange [0:1]
set key left top Left reverse samplen 2
plot for [name in every_name] -1 with linespoints pointtype 7 pointsize 0.4 \
    dashtype dash_of(name) linecolor rgb colour_of(program_of(name)) \
    title sprintf("%s, workers: %d", program_of(name), workers_of(name)) noenhanced
unset multiplot
