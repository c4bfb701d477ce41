// SPDX-License-Identifier: MIT
//
// See query.h.
#include "query.h"

#include <rouse/assert.h>
#include <stdio.h>
#include <string.h>

static const char *const names[QUERY_KEYS] = {
    "id", "name", "site", "state", "polls", "wakes", "busy", "scheduled", "idle",
};

const char *query_key_name(query_key key)
{
    return names[key];
}

struct query_order query_order_of(query_key key)
{
    return (struct query_order){.key = key, .is_falling = key >= QUERY_POLLS};
}

bool query_order_parse(struct query_order *out, const char *text)
{
    bool is_falling = text[0] == '-';

    if (is_falling) text++;
    for (unsigned i = 0; i < QUERY_KEYS; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (struct query_order){.key = (query_key)i, .is_falling = is_falling};
        return true;
    }
    return false;
}

// Writes a text as it stands in a query: letters and digits as they are, the rest as %XX.
static void escape(char *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_';

        if (is_plain) {
            *out++ = (char)byte;
        } else {
            *out++ = '%';
            *out++ = digits[byte >> 4];
            *out++ = digits[byte & 0xf];
        }
    }
    *out = '\0';
}

size_t query_request(char out[QUERY_REQUEST_SIZE], const struct query *query,
                     const struct target *target)
{
    char filter[3 * QUERY_FILTER_SIZE];

    escape(filter, query->filter);
    int size = snprintf(out, QUERY_REQUEST_SIZE,
                        "GET /events?tasks=%u&sort=%s%s&filter=%s&period=%u HTTP/1.1\r\n"
                        "Host: %s\r\n"
                        "Accept: text/event-stream\r\n"
                        "User-Agent: rouse-top\r\n"
                        "\r\n",
                        query->tasks, query->order.is_falling ? "-" : "",
                        query_key_name(query->order.key), filter, query->period_ms, target->name);

    rouse_assert(size > 0 && size < QUERY_REQUEST_SIZE,
                 "the parts are bounded; add up their sizes");
    return (size_t)size;
}
