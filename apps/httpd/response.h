// SPDX-License-Identifier: MIT
//
// Response heads, written into the caller's buffer.
//
// Two ways. Any response can be described by a `struct http_response` and written out field by
// field. A file that is asked for again and again has its head written once, as a prebuilt head:
// answering then copies it and puts the date of the second into its place.
#ifndef HTTPD_RESPONSE_H
#define HTTPD_RESPONSE_H

#include "date.h"
#include "range.h"
#include "request.h"

// What a prebuilt head leaves for the end: at most "Connection: keep-alive" and the empty line.
enum { HTTP_HEAD_TAIL_SIZE_MAX = 32 };

// All zero is a valid beginning; what is zero or NULL is not sent.
struct http_response {
    int status;
    bool has_content;         // Content-Length and, if given, Content-Type
    bool has_ranges;          // Accept-Ranges: bytes
    bool has_modified;        // Last-Modified
    uint8_t connection;       // enum http_connection
    uint64_t content_size;    // of the body that follows (or would follow, for HEAD)
    uint64_t whole_size;      // of the file, for 206 and 416
    struct http_range range;  // for 206
    int64_t modified_s;
    struct http_slice type;
    struct http_slice etag;
    struct http_slice location;
    struct http_slice allow;
    struct http_slice extra;  // more field lines, each with its CRLF, from the operator
};

// The phrase that goes with a status, or "Unknown".
const char *http_status_phrase(int status);

// Writes status line, fields and the empty line. Returns the size, or -ENOSPC.
int http_response_write(char *out, size_t size, const struct http_response *response,
                        const struct http_clock *clock);

// A small page for people that names the status; nothing from the request is in it. Returns the
// size, or -ENOSPC.
int http_error_page(char *out, size_t size, int status);

// A complete answer with such a page: `response->status` and the fields that are set, and then the
// page unless `is_head`. Statuses without content (1xx, 204, 304) get none. Returns the size, or
// -ENOSPC.
int http_error_write(char *out, size_t size, const struct http_response *response, bool is_head,
                     const struct http_clock *clock);

// A whole head, with an old date at `date_at`, and without Connection.
struct http_prebuilt {
    const char *text;
    uint32_t size;
    uint32_t date_at;
};

// Writes the text of a prebuilt head, with room for the date. `response->connection` is not used.
// The result points into `out`. Returns its size, or -ENOSPC.
int http_prebuilt_make(struct http_prebuilt *prebuilt, char *out, size_t size,
                       const struct http_response *response);

// The complete head for one response. Returns the size, or -ENOSPC.
int http_prebuilt_write(char *out, size_t size, const struct http_prebuilt *prebuilt,
                        enum http_connection connection, const struct http_clock *clock);

#endif
