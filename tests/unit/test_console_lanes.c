// SPDX-License-Identifier: MIT
//
// The lanes of the console, and the counts of tasks beside them: what is kept of more than there is
// room for.

#include <rouse/clock.h>
#include <string.h>

#include "claim.h"
#include "insight/console_counts.h"
#include "insight/console_lanes.h"

static struct rs_lanes lanes;

static void add_run(uint64_t task, uint64_t duration_ns)
{
    rs_lanes_add_run(&lanes, &(struct rs_lane_run){.task = task, .duration_ns = duration_ns});
}

// ---- Lanes ----

enum { SHORT_RUNS = 1000, LONG_RUNS = 5 };

static bool is_kept(uint64_t task)
{
    for (uint64_t i = 0; i < lanes.run_count && i < RS_LANES_RUNS; i++) {
        if (lanes.runs[i].task == task) return true;
    }
    return false;
}

static void the_longest(void)
{
    uint64_t state = 7;
    bool all = true;

    for (uint64_t i = 0; i < SHORT_RUNS; i++) {
        add_run(1, 10 + claim_random(&state) % 1000);
        if (i % (SHORT_RUNS / LONG_RUNS) == 0) add_run(100 + i, 5000 + i);
    }
    rs_lanes_end_round(&lanes);
    for (uint64_t i = 0; i < SHORT_RUNS; i += SHORT_RUNS / LONG_RUNS) all &= is_kept(100 + i);
    claim(lanes.run_count == RS_LANES_RUNS_PER_ROUND, "a round keeps so many runs");
    claim(all, "and the longest are among them");
}

static void readers(void)
{
    struct rs_lanes_place place = {.at_ns = 0};
    struct rs_lanes_part part = rs_lanes_read(&lanes, &place, 50);

    claim(part.first_run == 0 && part.from_ns == 0 &&
              part.dropped == SHORT_RUNS + LONG_RUNS - RS_LANES_RUNS_PER_ROUND,
          "a reader gets what is kept, and is told how much is not");
    part = rs_lanes_read(&lanes, &place, 60);
    claim(part.first_run == lanes.run_count && part.dropped == 0 && part.from_ns == 50,
          "and nothing twice");
    rs_lanes_add_steal(&lanes, &(struct rs_lane_steal){.tasks = 3});
    rs_lanes_add_lost(&lanes, 9);
    rs_lanes_end_round(&lanes);
    part = rs_lanes_read(&lanes, &place, 70);
    claim(part.first_steal + 1 == lanes.steal_count && part.dropped == 9,
          "steals too, and what was lost before it came here");
    for (int i = 0; i < 2 * RS_LANES_RUNS; i++) {
        add_run(1, 1);
        rs_lanes_end_round(&lanes);
    }
    part = rs_lanes_read(&lanes, &place, 80);
    claim(lanes.run_count - part.first_run == RS_LANES_RUNS && part.dropped == RS_LANES_RUNS,
          "one that comes late gets the last ones");
}

static void sites(void)
{
    for (uint32_t i = 0; i < RS_LANES_SITES; i++) {
        rs_lanes_add_site(&lanes, i, "a.c:1");
        rs_lanes_add_site(&lanes, i, "a.c:1");
    }
    claim(rs_lanes_site(&lanes, 0) == 0 && rs_lanes_site(&lanes, 7) == 7, "a site is told once");
    rs_lanes_add_site(&lanes, RS_LANES_SITES, "b.c:1");
    claim(rs_lanes_site(&lanes, 0) == -1 && rs_lanes_site(&lanes, RS_LANES_SITES) == 0 &&
              strcmp(lanes.sites[0].text, "b.c:1") == 0,
          "of too many, the one that came first is forgotten");
}

// ---- Counts ----

static struct rs_counts_table table;

static void add_poll(uint64_t task, uint64_t begin_ns, uint64_t ready_ns, uint8_t flags)
{
    const struct rs_trace_record record = {
        .task = task, .begin_ns = begin_ns, .end_ns = begin_ns + 10, .flags = flags, .weight = 1};

    rs_counts_add(&table, &record, ready_ns);
}

static void one_task(void)
{
    claim(rs_counts_find(&table, 5) == NULL, "nothing is known of a task without a poll");
    add_poll(5, 1000, 100, 0);
    add_poll(5, 2000, 50, RS_TRACE_AGAIN);
    add_poll(5, 2010, ROUSE_NEVER, 0);
    const struct rs_counts *counts = rs_counts_find(&table, 5);

    claim(counts != NULL && counts->polls == 3 && counts->wakes == 2 && counts->wakes_by_it == 1 &&
              counts->busy_ns == 30 && counts->scheduled_ns == 150 && counts->first_ns == 900 &&
              counts->last_ns == 2020,
          "its polls are added up, and its time from the first wake on");
    add_poll(5, 3000, 0, RS_TRACE_ENDED);
    claim(rs_counts_find(&table, 5) == NULL && table.used == 0, "until it has ended");

    const struct rs_trace_record one_of_many = {
        .task = 5, .begin_ns = 1000, .end_ns = 1010, .weight = 16};

    rs_counts_add(&table, &one_of_many, 5);
    counts = rs_counts_find(&table, 5);
    claim(counts != NULL && counts->polls == 16 && counts->wakes == 16 && counts->busy_ns == 160 &&
              counts->scheduled_ns == 80,
          "a poll out of a sample counts for all that it stands for");
    add_poll(5, 3000, 0, RS_TRACE_ENDED);
}

enum { MANY = 200 * 1000 };

static void many_tasks(void)
{
    size_t found = 0;
    bool are_last_found = true;

    for (uint64_t i = 1; i <= MANY; i++) add_poll(i << 20, i, 0, 0);
    for (uint64_t i = 1; i <= MANY; i++) {
        const struct rs_counts *counts = rs_counts_find(&table, i << 20);

        found += counts != NULL;
        if (counts != NULL && counts->polls != 1) found = 0;
        if (i > MANY - 1000) are_last_found &= counts != NULL;
    }
    claim(found == table.used && found > 50000 && found < MANY,
          "of more tasks than there is room for some are forgotten");
    claim(are_last_found, "but not those that were polled last");
    rs_counts_free(&table);
    claim(table.used == 0 && rs_counts_find(&table, 1 << 20) == NULL, "and all of them at the end");
}

int main(void)
{
    the_longest();
    readers();
    sites();
    one_task();
    many_tasks();
    return claims_end();
}
