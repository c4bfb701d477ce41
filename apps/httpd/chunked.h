// SPDX-License-Identifier: MIT
//
// Skips the body of a request: counts its bytes, checks its framing, keeps nothing. A server of
// files has no use for a body, but must find where it ends before it can read the next request.
//
// Bytes go in as they come, in pieces of any size; the result does not depend on the pieces.
#ifndef HTTPD_CHUNKED_H
#define HTTPD_CHUNKED_H

#include "request.h"

struct http_body {
    uint64_t left;       // bytes of the body or of this chunk still to come
    uint64_t total;      // bytes of content announced so far
    uint64_t total_max;  // beyond: 413
    uint32_t overhead;   // bytes of chunk extensions and trailers so far
    uint32_t overhead_max;
    uint8_t state;        // private
    uint8_t digit_count;  // private: of this chunk's size
};

// Begins the body that follows the head of `req`. With none, the first call of skip returns 1.
void http_body_init(struct http_body *body, const struct http_request *req,
                    const struct http_limits *limits);

// Reads up to `len` bytes and says in `used` how many belonged to the body. Returns 1 if the body
// ends there, 0 if it goes on beyond `len`, or the negative of a status: 400, 413 or 431.
int http_body_skip(struct http_body *body, const char *buf, size_t len, size_t *used);

#endif
