// SPDX-License-Identifier: MIT
//
// The text of a trace in the Trace Event format, made of records, for those who write it: the one
// to a file, the console to whoever asks.

#ifndef RS_INSIGHT_TRACE_EVENTS_H
#define RS_INSIGHT_TRACE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct rs_sched;
struct rs_trace_record;
struct rs_worker;

// The largest text that each of the functions below adds, and that of the end.
enum { RS_TRACE_EVENTS_MAX = 4 << 10, RS_TRACE_END_MAX = 128 };

// Where events are written to: `size` bytes at `buffer`, of which `used` are; the caller takes them
// out. Times are told from `start_ns` on, which rs_trace_events_begin() sets.
struct rs_trace_events {
    char *buffer;
    size_t size;
    size_t used;
    uint64_t start_ns;
    long pid;
};

// There is room for RS_TRACE_EVENTS_MAX bytes; for the tracks, as much for each sixteen workers.
void rs_trace_events_begin(struct rs_trace_events *events);
void rs_trace_events_tracks(struct rs_trace_events *events, const struct rs_sched *sched);
void rs_trace_events_record(struct rs_trace_events *events, const struct rs_worker *worker,
                            const struct rs_trace_record *record);

// Writes the end to a buffer of its own. Returns its length.
size_t rs_trace_events_end(char *to, size_t size, uint64_t dropped);

#endif
