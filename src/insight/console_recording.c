// SPDX-License-Identifier: MIT
//
// Recording a trace into memory: see console_recording.h.

#include "insight/console_recording.h"

#include <rouse/clock.h>
#include <string.h>

#include "insight/trace_events.h"

// The tracks of the largest scheduler.
enum { BUFFER_SIZE = RS_TRACE_EVENTS_MAX * (RS_WORKERS_MAX / 16 + 1) };

static struct rs_trace_events events_at(const struct rs_recording *recording, char *buffer,
                                        size_t size)
{
    return (struct rs_trace_events){
        .buffer = buffer, .size = size, .pid = recording->pid, .start_ns = recording->start_ns};
}

static void tap(const struct rs_worker *worker, const struct rs_trace_record *record, void *arg)
{
    struct rs_recording *recording = arg;
    char buffer[RS_TRACE_EVENTS_MAX];
    struct rs_trace_events events = events_at(recording, buffer, sizeof buffer);

    if (record->begin_ns < recording->start_ns) return;
    if (recording->text->used > RS_RECORDING_MAX) {
        recording->dropped++;
        return;
    }
    rs_trace_events_record(&events, worker, record);
    rs_text_put(recording->text, buffer, events.used);
}

static void put_tracks(struct rs_sched *sched, void *arg)
{
    struct rs_recording *recording = arg;
    char buffer[BUFFER_SIZE];
    struct rs_trace_events events = events_at(recording, buffer, sizeof buffer);

    rs_trace_events_tracks(&events, sched);
    rs_text_put(recording->text, buffer, events.used);
}

void rs_recording_begin(struct rs_recording *recording, struct rs_observer *observer,
                        struct rs_text *text)
{
    char buffer[RS_TRACE_EVENTS_MAX];
    struct rs_trace_events events = {.buffer = buffer, .size = sizeof buffer};

    rs_trace_events_begin(&events);
    *recording = (struct rs_recording){.text = text,
                                       .lost_before = observer->unnamed,
                                       .pid = events.pid,
                                       .start_ns = events.start_ns};
    rs_text_put(text, buffer, events.used);
    rs_sched_visit(put_tracks, recording);
    observer->tap = tap;
    observer->tap_arg = recording;
}

void rs_recording_end(struct rs_recording *recording, struct rs_observer *observer, bool is_wanted)
{
    char end[RS_TRACE_END_MAX];
    uint64_t dropped = recording->dropped + observer->unnamed - recording->lost_before;

    observer->tap = NULL;
    if (is_wanted) rs_text_put(recording->text, end, rs_trace_events_end(end, sizeof end, dropped));
    recording->text = NULL;
}
