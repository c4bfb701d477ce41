// SPDX-License-Identifier: MIT
//
// What is asked of a console: which tasks, in which order, how often.
#ifndef TOP_QUERY_H
#define TOP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "target.h"

enum {
    QUERY_FILTER_SIZE = 128,  // with its 0
    QUERY_REQUEST_SIZE = 2048,
    QUERY_PERIOD_MIN_MS = 100,
    QUERY_PERIOD_MAX_MS = 10000,
    QUERY_PERIOD_DEFAULT_MS = 1000,
};

typedef enum query_key {
    QUERY_ID = 0,
    QUERY_NAME = 1,
    QUERY_SITE = 2,
    QUERY_STATE = 3,
    QUERY_POLLS = 4,
    QUERY_WAKES = 5,
    QUERY_BUSY = 6,
    QUERY_SCHEDULED = 7,
    QUERY_IDLE = 8,
    QUERY_KEYS = 9,  // how many there are
} query_key;

// What a table of tasks is sorted by.
struct query_order {
    query_key key;
    bool is_falling;
};

struct query {
    struct query_order order;
    char filter[QUERY_FILTER_SIZE];
    unsigned period_ms;
    unsigned tasks;  // at most so many rows
};

const char *query_key_name(query_key key);

// The order in which one wants to see a key first: names rise, counts and times fall.
struct query_order query_order_of(query_key key);

// Reads "busy", or "-busy" for falling.
bool query_order_parse(struct query_order *out, const char *text);

// Writes the request for a stream of events; it always has room. Returns its size.
size_t query_request(char out[QUERY_REQUEST_SIZE], const struct query *query,
                     const struct target *target);

#endif
