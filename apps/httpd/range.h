// SPDX-License-Identifier: MIT
//
// The Range field: which bytes of a file a client asks for.
#ifndef HTTPD_RANGE_H
#define HTTPD_RANGE_H

#include <stdint.h>

#include "slice.h"

enum http_range_kind {
    HTTP_RANGE_WHOLE,          // answer 200 with everything
    HTTP_RANGE_PART,           // answer 206 with `range`
    HTTP_RANGE_UNSATISFIABLE,  // answer 416 and say how large the file is
};

struct http_range {
    uint64_t first;
    uint64_t size;  // > 0
};

// Decides what the value of a Range field asks of a file of `size` bytes. A field we cannot make
// sense of, another unit than bytes, and several ranges at once are ignored, as RFC 9110 (14.2)
// allows: who asks for several pieces is ready to get the whole, and overlapping pieces are a way
// to make a server work hard.
enum http_range_kind http_range_parse(struct http_slice value, uint64_t size,
                                      struct http_range *range);

#endif
