// SPDX-License-Identifier: MIT
//
// The part of a snapshot that is about who ran what when: see console_snapshot_part.h.

#include "insight/console_snapshot_part.h"
#include "insight/json.h"

// The number's digits, and what follows. Returns where the text goes on.
static char *put_number(char *to, uint64_t value, char behind)
{
    char digits[20];
    int count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) *to++ = digits[--count];
    *to++ = behind;
    return to;
}

// There are thousands of them in a second: printf() would take more time than all the rest.
static void put_run(struct rs_text *text, const struct rs_lane_run *run, uint64_t index, int site,
                    bool first)
{
    char line[7 * 21];
    char *to = line;

    if (!first) *to++ = ',';
    *to++ = '[';
    to = put_number(to, index, ',');
    to = put_number(to, run->worker, ',');
    *to++ = '"';
    to = put_number(to, run->task, '"');
    *to++ = ',';
    to = put_number(to, run->begin_ns, ',');
    to = put_number(to, run->duration_ns, site >= 0 ? ',' : ']');
    if (site >= 0) to = put_number(to, (uint64_t)site, ']');
    rs_text_put(text, line, (size_t)(to - line));
}

static void print_runs(const struct rs_snapshot *s, uint64_t first)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;
    bool is_first = true;

    for (uint64_t i = first; i < lanes->run_count; i++) {
        const struct rs_lane_run *run = &lanes->runs[i % RS_LANES_RUNS];
        int index = rs_snapshot_index(s, run->scheduler);

        if (index < 0) continue;
        put_run(s->text, run, (uint64_t)index, rs_lanes_site(lanes, run->origin), is_first);
        is_first = false;
    }
}

static void print_sites(const struct rs_snapshot *s)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;

    for (uint64_t i = 0; i < lanes->site_count && i < RS_LANES_SITES; i++) {
        if (i > 0) rs_text_print(s->text, ",");
        rs_json_print(s->text, lanes->sites[i].text);
    }
}

static void print_steals(const struct rs_snapshot *s, uint64_t first)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;
    bool is_first = true;

    for (uint64_t i = first; i < lanes->steal_count; i++) {
        const struct rs_lane_steal *steal = &lanes->steals[i % RS_LANES_STEALS];
        int index = rs_snapshot_index(s, steal->scheduler);

        if (index < 0) continue;
        rs_text_print(s->text, "%s[%d,%u,%u,%llu,%llu]", is_first ? "" : ",", index, steal->thief,
                      steal->victim, (unsigned long long)steal->tasks,
                      (unsigned long long)steal->at_ns);
        is_first = false;
    }
}

void rs_snapshot_print_lanes(const struct rs_snapshot *s, struct rs_lanes_place *seen)
{
    const struct rs_observer *observer = &s->kept->observer;
    struct rs_lanes_part part = rs_lanes_read(&observer->lanes, seen, s->now_ns);
    uint64_t from_ns = part.from_ns != 0 ? part.from_ns : observer->since_ns;

    rs_text_print(s->text, ",\"lanes\":{\"from_ns\":%llu",
                  (unsigned long long)(from_ns != 0 ? from_ns : s->now_ns));
    rs_json_number(s->text, "to_ns", s->now_ns);
    rs_json_number(s->text, "dropped", part.dropped);
    rs_text_print(s->text, ",\"sites\":[");
    print_sites(s);
    rs_text_print(s->text, "],\"runs\":[");
    print_runs(s, part.first_run);
    rs_text_print(s->text, "],\"steals\":[");
    print_steals(s, part.first_steal);
    rs_text_print(s->text, "]}");
}
