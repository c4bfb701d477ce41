# SPDX-License-Identifier: MIT
#
# Draws the results of bench/io/compare.sh as SVG:
#
#     gnuplot -c bench/io/plot.gp [RESULTS [PICTURE]]
#
# RESULTS is build/bench/io.jsonl and PICTURE build/bench/io.svg where not given. Each piece of work
# has a bar for each server: its speed in CPU time for a request as a multiple of the raw server on
# epoll, so that one is 1 and longer is better.

results = ARGC >= 1 ? ARG1 : "build/bench/io.jsonl"
picture = ARGC >= 2 ? ARG2 : "build/bench/io.svg"
here = system("dirname '" . ARG0 . "'")
read_plot = "awk -v form=plot -f '" . here . "/../numbers.awk' -f '" . here . "/table.awk' '" . \
    here . "/goals.txt' '" . results . "'"
data = "<" . read_plot
names = system(read_plot . " | head -n 1")
set datafile missing "?"

# Servers that only idle and mixed have are not in the picture.
has_data(p) = system(read_plot . " | awk 'NR > 1 && $" . p . " != \"?\"' | wc -l") > 0
columns = ""
do for [p = 2:words(names)] { if (has_data(p)) { columns = columns . " " . p } }
if (columns eq "") { exit }

# Peers are grey; what is compared with them has a colour.
colour_of(name) = strstrt(name, "rouse/future") == 1 ? "#c0392b" : \
    strstrt(name, "rouse") == 1 || strstrt(name, "httpd") == 1 ? "#e59866" : \
    name eq "epoll" ? "#2471a3" : name eq "io_uring" ? "#5dade2" : \
    name eq "tokio" || name eq "hyper" ? "#4d5656" : name eq "go" ? "#839192" : \
    name eq "libuv" ? "#b2babb" : "#d5dbdb"

set terminal svg size 1100, 420 font "sans-serif,12" background "white"
set output picture
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 1.0 border lc "white"
set boxwidth 1.0
set border 3 lc "#555555"
set tics nomirror out scale 0.5
set grid ytics lc "#bbbbbb"
set xtics noenhanced
set yrange [0:*]
set ylabel "speed in CPU time, epoll = 1"
set key outside right top Left reverse noenhanced
set arrow 1 from graph 0, first 1 to graph 1, first 1 nohead front lc "#222222" dashtype 3

plot for [p in columns] data using int(p):xticlabels(1) \
    linecolor rgb colour_of(word(names, int(p))) title columnheader(int(p))
