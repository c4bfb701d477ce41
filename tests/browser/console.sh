#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The console of httpd --demo in a browser: its lanes move, its table sorts and filters, a task's
# page shows a stack, each button has its effect, a recorded trace is one, and when the server ends
# and comes back the page says so and goes on. What it looks like is kept in the build's folder,
# console/*.png; docs/console.png is the one named light.
# shellcheck disable=SC2016
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/../blackbox/httpd.bash"
# shellcheck source=tests/blackbox/browser.bash
source "$(dirname "$0")/../blackbox/browser.bash"
browser_start

pictures=$build/console
mkdir -p "$pictures"

serve_at() {  # serve_at CONSOLE-PORT
    serve --console="127.0.0.1:$1" --allow-control --demo
}

# ---- What is seen ----

comes_alive() {
    browser_call Emulation.setDeviceMetricsOverride \
        '{"width":1280,"height":1100,"deviceScaleFactor":1,"mobile":false}' &&
        browser_visit "http://$address/console" &&
        comes_true '$("status").dataset.state === "live" && $("program").textContent === "httpd"'
}

# Pixels of the lanes that have a colour, of a spawn site.
coloured='(() => {
    const {width, height} = timeline;
    const pixels = timeline.getContext("2d").getImageData(0, 0, width, height).data;
    let n = 0;

    for (let i = 0; i < pixels.length; i += 4) {
        const rgb = [pixels[i], pixels[i + 1], pixels[i + 2]];

        if (pixels[i + 3] > 0 && Math.max(...rgb) - Math.min(...rgb) > 30) n++;
    }
    return n;
})()'

lanes_move() {
    comes_true "$coloured > 100" "$coloured" || return
    browser_says 'window.seen = timeline.toDataURL()'
    comes_true 'window.seen !== timeline.toDataURL()'
}

legend_names() {  # legend_names SITE: of what ran in the last seconds
    comes_true "\$('legend').textContent.includes('$1')" '$("legend").textContent'
}

# The numbers in a column of the table.
column() {
    echo "[...\$('task-table').tBodies[0].rows].map((r) =>
        Number(r.cells[$1].textContent.replace(/[,#]/g, '')))"
}

# sorted_by KEY COLUMN descending|ascending: what the table shows once its heading was pressed.
sorted_by() {
    local order='>='

    if [[ $3 == ascending ]]; then order='<='; fi
    browser_says "document.querySelector('[data-key=$1]').click()"
    comes_true "((n) => n.length > 8 && Math.max(...n) > 0 &&
        n.every((x, i) => i === 0 || n[i - 1] $order x))($(column "$2")) &&
        document.querySelector('[data-key=$1]').parentNode.ariaSort === '$3'" "$(column "$2")"
}

sorts() {
    sorted_by polls 9 descending && sorted_by polls 9 ascending
}

# Types into the filter's field, as a person would.
filter() {
    browser_says '$("filter").focus(), $("filter").select()'
    if [[ -z $1 ]]; then
        browser_says '$("filter").value = "", $("filter").dispatchEvent(new Event("input"))'
    else
        browser_call Input.insertText "{\"text\":\"$1\"}"
    fi
}

names='[...$("task-table").tBodies[0].rows].map((r) => r.cells[1].textContent)'

filters() {
    filter visitor
    comes_true "((n) => n.length === 8 && n.every((x) => x === 'visitor'))($names)" "$names"
}

opens_task() {
    browser_says 'document.querySelector("#task-table tbody button").click()'
    comes_true '$("task-title").textContent.startsWith("visitor ")
        && document.querySelectorAll("#task-body ol li").length > 0
        && $("task-body").textContent.includes("demo_client.c")' '$("task").textContent' &&
        browser_picture "$pictures/task.png" 1280 1100 dark
}

closes_task() {
    browser_call Input.dispatchKeyEvent '{"type":"keyDown","key":"Escape"}'
    comes_true '$("task").classList.contains("hidden")'
}

# ---- The buttons ----

press() {  # press NAME: and the server has taken it
    comes_true "!document.querySelector('[data-action=$1]').disabled" || return
    browser_says '$("action-result").textContent = ""'
    browser_says "document.querySelector('[data-action=$1]').click()"
    comes_true '$("action-result").textContent !== ""' || return
    browser_says '!$("action-result").textContent.includes("failed")'
    [[ $said == true ]] || { browser_says '$("action-result").textContent' && echo "$said"; false; }
}

sleepers_come() {
    press sleepers && comes_true 'snapshot.tasks.alive > 100000' 'snapshot.tasks.alive'
}

# The number of tasks, in the tile and below the table.
table_tells_it() {
    comes_true '/^1\d\d,\d\d\d$/.test(numbers[0].output.textContent)
        && /out of|of 1\d\d,\d\d\d/.test($("sample").textContent)' '$("sample").textContent'
}

spawned='sum(snapshot, (s) => s.metrics.spawned_tasks_count)'

primes_are_counted() {
    browser_says "window.seen = $spawned"
    press fork-join && comes_true "$spawned - window.seen >= 4096" "$spawned" &&
        legend_names demo_fork_join.c
}

worker_is_blocked() {
    press block && comes_true 'windows.some((w) => w.runs.some((r) => r[4] >= 200e6))' &&
        legend_names demo.c
}

waker_is_lost() {
    press leak && filter forgetful &&
        comes_true 'document.querySelector(".state-lost") !== null
            && document.querySelector(".badge.bad").textContent === "lost waker"' "$names"
}

tree_is_cancelled() {
    filter leaf
    press cancel && comes_true "snapshot.tasks.alive > 1110 && $names.includes('leaf')" "$names" &&
        comes_true 'snapshot.tasks.alive < 1000' 'snapshot.tasks.alive'
}

# Where the kernel refuses io_uring, the log says so and the runtime takes what there is.
back_end_changes() {
    local expected='s.reactor === "io_uring"'

    browser_says 'window.seen = snapshot.schedulers.map((s) => s.name).join()'
    press reactor || return
    if grep -q 'io_uring' "$scratch/stderr"; then expected=true; fi
    comes_true "snapshot.schedulers.length === 2
        && snapshot.schedulers.some((s) => !window.seen.includes(s.name) && $expected)" \
        'JSON.stringify(snapshot.schedulers.map((s) => [s.name, s.reactor]))'
}

# ---- The rest ----

records_trace() {
    local i trace

    mkdir -p "$scratch/downloads"
    browser_call Page.setDownloadBehavior \
        "{\"behavior\":\"allow\",\"downloadPath\":\"$scratch/downloads\"}" || return
    browser_says '$("record").click()'
    for ((i = 0; i < 100; i++)); do
        trace=$(find "$scratch/downloads" -name '*.json')
        [[ -z $trace ]] || break
        sleep 0.1
    done
    [[ -n $trace ]] || return
    cp "$trace" "$pictures/httpd-trace.json"
    "$build/tests/blackbox_trace_check" "$trace" >"$scratch/said" || { cat "$scratch/said"; false; }
}

trace_names_visitors() {
    grep ' of visitor$' "$scratch/said"
}

# With something to see in it. The picture of the manual has to stay small.
looks() {
    press fork-join && press block && legend_names demo_fork_join.c || return
    browser_says 'document.activeElement.blur(), sortBy(columns.find((c) => c.key === "busy"))'
    browser_picture "$pictures/light.png" 1280 920 light &&
        browser_picture "$pictures/dark.png" 1280 1100 dark &&
        browser_picture "$pictures/narrow.png" 800 1100 light || return
    wc -c "$pictures/light.png"
    (($(wc -c <"$pictures/light.png") > 20000))
}

complains_of_nothing() {
    cat "$scratch/complaints"
    [[ ! -s $scratch/complaints ]]
}

ends() {
    kill -TERM "$server_pid"
    server_wait 15
    echo "exit status $stopped"
    cat "$scratch/stderr"
    [[ $stopped == 0 ]] && ! grep -qE 'Sanitizer|runtime error|httpd: ' "$scratch/stderr"
}

claim 'the server starts' serve_at 0
claim '/console leads to its console' leads_to_console
claim 'the page comes alive' comes_alive
claim 'the lanes move' lanes_move
claim 'and name the sites of what runs' legend_names demo_client.c
claim 'a heading sorts the table, and again, the other way round' sorts
claim 'a filter finds the eight visitors' filters
claim 'a task has a page, with its stack' opens_task
claim 'Escape closes it' closes_task
filter ''
claim 'fork-join counts primes' primes_are_counted
claim 'a blocked worker is seen' worker_is_blocked
claim 'a leaked waker is lost' waker_is_lost
claim 'a tree is there, is cancelled, and is gone' tree_is_cancelled
filter ''
claim '100,000 sleepers come' sleepers_come
claim 'and the table tells what it shows of them' table_tells_it
claim 'the visitors change their back end' back_end_changes
claim 'a recorded trace is one' records_trace
claim 'with the visitors in it' trace_names_visitors
claim 'there are pictures of it' looks
claim 'the browser complains of nothing' complains_of_nothing
claim 'the server ends in order' ends
claim 'the page says that it has gone' comes_true \
    '$("status").dataset.state === "gone" && !$("gone").classList.contains("hidden")'
port=${console%/}
claim 'it comes back' serve_at "${port##*:}"
claim 'and so does the page' comes_true '$("status").dataset.state === "live"'
claim 'and ends' ends
finish
