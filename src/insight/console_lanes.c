// SPDX-License-Identifier: MIT
//
// Keeping the longest runs of each round, and the last so many of those: see console_lanes.h.

#include "insight/console_lanes.h"

#include <stdio.h>

static void sift_up(struct rs_lane_run *heap, size_t i)
{
    while (i > 0 && heap[i].duration_ns < heap[(i - 1) / 2].duration_ns) {
        struct rs_lane_run before = heap[i];

        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = before;
        i = (i - 1) / 2;
    }
}

static void sift_down(struct rs_lane_run *heap, size_t size)
{
    for (size_t i = 0, child = 1; child < size; child = 2 * i + 1) {
        if (child + 1 < size && heap[child + 1].duration_ns < heap[child].duration_ns) child++;
        if (heap[i].duration_ns <= heap[child].duration_ns) return;
        struct rs_lane_run before = heap[i];

        heap[i] = heap[child];
        heap[child] = before;
        i = child;
    }
}

void rs_lanes_add_run(struct rs_lanes *lanes, const struct rs_lane_run *run)
{
    lanes->met++;
    if (lanes->round_runs < RS_LANES_RUNS_PER_ROUND) {
        lanes->round[lanes->round_runs] = *run;
        sift_up(lanes->round, lanes->round_runs++);
        return;
    }
    if (run->duration_ns <= lanes->round[0].duration_ns) return;
    lanes->round[0] = *run;
    sift_down(lanes->round, lanes->round_runs);
}

int rs_lanes_site(const struct rs_lanes *lanes, uint32_t origin)
{
    for (uint64_t i = 0; i < lanes->site_count && i < RS_LANES_SITES; i++) {
        if (lanes->sites[i].origin == origin) return (int)i;
    }
    return -1;
}

void rs_lanes_add_site(struct rs_lanes *lanes, uint32_t origin, const char *text)
{
    if (rs_lanes_site(lanes, origin) >= 0) return;
    struct rs_lane_site *site = &lanes->sites[lanes->site_count++ % RS_LANES_SITES];

    site->origin = origin;
    (void)snprintf(site->text, sizeof site->text, "%s", text);
}

void rs_lanes_add_steal(struct rs_lanes *lanes, const struct rs_lane_steal *steal)
{
    lanes->met++;
    if (lanes->round_steals == RS_LANES_STEALS_PER_ROUND) return;
    lanes->round_steals++;
    lanes->steals[lanes->steal_count++ % RS_LANES_STEALS] = *steal;
}

void rs_lanes_add_lost(struct rs_lanes *lanes, uint64_t count)
{
    lanes->met += count;
}

void rs_lanes_end_round(struct rs_lanes *lanes)
{
    for (size_t i = 0; i < lanes->round_runs; i++) {
        lanes->runs[lanes->run_count++ % RS_LANES_RUNS] = lanes->round[i];
    }
    lanes->round_runs = 0;
    lanes->round_steals = 0;
}

// The first of the last `room` of `count` that was not seen yet.
static uint64_t first_unseen(uint64_t count, uint64_t seen, uint64_t room)
{
    uint64_t oldest = count > room ? count - room : 0;

    return seen > oldest ? seen : oldest;
}

struct rs_lanes_part rs_lanes_read(const struct rs_lanes *lanes, struct rs_lanes_place *place,
                                   uint64_t now_ns)
{
    struct rs_lanes_part part = {
        .first_run = first_unseen(lanes->run_count, place->runs, RS_LANES_RUNS),
        .first_steal = first_unseen(lanes->steal_count, place->steals, RS_LANES_STEALS),
        .from_ns = place->at_ns};
    uint64_t given = lanes->run_count - part.first_run + (lanes->steal_count - part.first_steal);

    part.dropped = lanes->met - place->met - given;
    *place = (struct rs_lanes_place){
        .at_ns = now_ns, .runs = lanes->run_count, .steals = lanes->steal_count, .met = lanes->met};
    return part;
}
