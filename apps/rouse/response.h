// SPDX-License-Identifier: MIT
//
// The head of an HTTP response: as much of it as matters to who has asked for a stream of events.
#ifndef TOP_RESPONSE_H
#define TOP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

enum { RESPONSE_HEAD_MAX = 8 << 10 };

struct response {
    unsigned status;
    bool has_events;  // its content is text/event-stream
    bool is_encoded;  // in some way, which nobody asked for
};

// Reads a head. Returns its size; 0: it has not come whole; -EPROTO: this is none.
int response_read(struct response *out, const char *text, size_t size);

#endif
