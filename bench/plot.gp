# SPDX-License-Identifier: MIT
#
# Draws the results of bench/compare.sh as SVG:
#
#     gnuplot -c bench/plot.gp [RESULTS [PICTURE]]
#     gnuplot -c bench/plot.gp build/bench/growth.jsonl PICTURE growth [cpu]
#
# RESULTS is build/bench/results.jsonl and PICTURE build/bench/results.svg where not given. Each row
# has a bar for each program: how fast it is as a multiple of the best peer, so the best peer is 1
# and longer is faster. Each number of workers has a panel. What "growth" draws stands in growth.gp;
# with "cpu", in CPU time.

results = ARGC >= 1 ? ARG1 : "build/bench/results.jsonl"
picture = ARGC >= 2 ? ARG2 : "build/bench/results.svg"
here = system("dirname '" . ARG0 . "'")
read(form) = "awk " . form . " -f '" . here . "/numbers.awk' -f '" . here . \
    "/results.awk' -f '" . here . "/table.awk' '" . here . "/goals.txt' '" . results . "'"
set datafile missing "?"

# Peers are grey; what is compared with them has a colour.
colour_of(name) = name eq "rouse/future" ? "#c0392b" : strstrt(name, "rouse") == 1 ? "#e59866" : \
    name eq "floor" ? "#2471a3" : name eq "tokio" ? "#4d5656" : name eq "go" ? "#839192" : \
    name eq "asio" ? "#b2babb" : "#d5dbdb"

if (ARGC >= 3) {
    read_growth = read("-v form=growth_plot -v by_n=1" . (ARGC >= 4 ? " -v by_cpu=1" : ""))
    load here . "/growth.gp"
    exit
}

read_plot = read("-v form=plot")
data = "<" . read_plot
stats data using 0 nooutput
panels = STATS_blocks
header(panel) = system(sprintf("%s | awk '/^[0-9]+ / && ++n == %d'", read_plot, panel))

# Wide enough for the bars of each row.
stats data index 0 using 0 nooutput
width = 360 + STATS_records * 50
set terminal svg size width > 960 ? width : 960, 60 + panels * 340 \
    font "sans-serif,12" background "white"
set output picture
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 1.0 border lc "white"
set boxwidth 1.0
set border 3 lc "#555555"
set tics nomirror out scale 0.5
set grid ytics lc "#bbbbbb"
set xtics rotate by 30 right noenhanced
set yrange [0:*]
set ylabel "speed, best peer = 1"
set key outside right top Left reverse
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead front lc "#222222" dashtype 3

set multiplot layout panels, 1
do for [panel = 1:panels] {
    names = header(panel)
    count = int(word(names, 1))
    set title count == 1 ? "1 thread" : sprintf("%d workers", count)
    plot for [p = 2:words(names)] data index panel - 1 using p:xticlabels(1) \
        linecolor rgb colour_of(word(names, p)) title columnheader(p)
}
unset multiplot
