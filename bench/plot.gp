# SPDX-License-Identifier: MIT
#
# Draws the results of bench/compare.sh as SVG:
#
#     gnuplot -c bench/plot.gp [RESULTS [PICTURE]]
#
# RESULTS is build/bench/results.jsonl and PICTURE build/bench/results.svg where not given. Each row
# has a bar for each program: how fast it is as a multiple of the best peer, so the best peer is 1
# and longer is faster. Each number of workers has a panel.

results = ARGC >= 1 ? ARG1 : "build/bench/results.jsonl"
picture = ARGC >= 2 ? ARG2 : "build/bench/results.svg"
here = system("dirname '" . ARG0 . "'")
read = "awk -v form=plot -f '" . here . "/table.awk' '" . here . "/goals.txt' '" . results . "'"
data = "<" . read

set datafile missing "?"
stats data using 0 nooutput
panels = STATS_blocks
programs = words(system(read . " | head -n 1")) - 1

# Peers are grey, from dark to light; what is compared with them has a colour.
is_rouse(name) = strstrt(name, "rouse") == 1
rouse_colours = "#c0392b #e59866"
peer_colours = "#4d5656 #839192 #b2babb #d5dbdb"
name_of(panel, p) = word(system(sprintf("%s | awk '/^[0-9]+ /' | sed -n %dp", read, panel)), p + 1)
colour_of(p) = is_rouse(name_of(1, p)) ? word(rouse_colours, p > 2 ? 2 : p) : \
    word(peer_colours, (p - rouse_count - 1) % 4 + 1)
rouse_count = 0
do for [p = 1:programs] { if (is_rouse(name_of(1, p))) { rouse_count = rouse_count + 1 } }

set terminal svg size 960, 60 + panels * 340 font "sans-serif,12" background "white"
set output picture
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 1.0 border lc "white"
set boxwidth 1.0
set border 3 lc "#555555"
set tics nomirror out scale 0.5
set grid ytics lc "#bbbbbb"
set xtics rotate by -25 noenhanced
set yrange [0:*]
set ylabel "speed, best peer = 1"
set key outside right top Left reverse
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead front lc "#222222" dashtype 3

set multiplot layout panels, 1
do for [panel = 1:panels] {
    count = int(name_of(panel, 0))
    set title count == 1 ? "1 thread" : sprintf("%d workers", count)
    plot for [p = 1:programs] data index panel - 1 using p + 1:xticlabels(1) \
        linecolor rgb colour_of(p) title columnheader(p + 1)
}
unset multiplot
