// SPDX-License-Identifier: MIT
//
// A slice is a piece of somebody else's text: two words, passed by value, not terminated by a zero.
// An absent text has a NULL `data`; an empty one has not.
#ifndef HTTPD_SLICE_H
#define HTTPD_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct http_slice {
    const char *data;
    size_t size;
};

static inline struct http_slice http_slice_of(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static inline bool http_slice_is(struct http_slice slice, const char *text)
{
    size_t size = strlen(text);

    return slice.size == size && memcmp(slice.data, text, size) == 0;
}

// Compares without regard to the case of letters; `lower` is in lower case.
bool http_slice_is_nocase(struct http_slice slice, const char *lower);

// Without the spaces and tabs at both ends.
struct http_slice http_slice_trim(struct http_slice slice);

// Takes the next element, trimmed and perhaps empty, off a list separated by commas. False when
// `rest` is used up. "a,,b" has three elements, and so has " , , "; no quoting is known.
bool http_list_next(struct http_slice *rest, struct http_slice *element);

#endif
