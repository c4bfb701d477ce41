// SPDX-License-Identifier: MIT
//
// A stream of server-sent events (the HTML standard's text/event-stream), as it comes in: bytes are
// put in, events are taken out. Lines end by LF or CR LF. What is kept of an event that has not
// come whole is bounded by EVENTS_SIZE_MAX.
#ifndef TOP_EVENTS_H
#define TOP_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

enum { EVENTS_SIZE_MAX = 8 << 20, EVENTS_ROOM_MIN = 16 << 10 };

// All zero is an empty one.
struct events {
    char *text;
    size_t begin;  // of what has not been taken
    size_t size;
    size_t capacity;
    size_t looked_at;  // no event ends before here
};

struct event {
    char name[32];     // "message" if it has none; cut off if it is longer
    const char *data;  // its lines, joined by LF, and a 0; gone at the next events_room()
    size_t size;
};

void events_deinit(struct events *events);

// Room for more bytes, EVENTS_ROOM_MIN at least. Returns 0; -EMSGSIZE if one event is larger than
// EVENTS_SIZE_MAX; -ENOMEM.
int events_room(struct events *events, char **out, size_t *size);
// So many bytes have been put there.
void events_add(struct events *events, size_t size);

// What has come and not been taken; and takes a part of it that is no event.
const char *events_rest(const struct events *events, size_t *size);
void events_skip(struct events *events, size_t size);

// Takes the next event that has come whole and has data.
bool events_next(struct events *events, struct event *out);

#endif
