// SPDX-License-Identifier: MIT
//
// The head of an HTTP/1.x request: request line and header fields, parsed strictly and in one pass.
//
// The parser reads the caller's buffer and writes the caller's `struct http_request`; it allocates
// nothing and does no I/O. What always holds:
//
// 1. It works line by line, from left to right, and reads each byte for line ends once: a call that
//    returns 0 remembers how far it came. So feeding byte by byte costs linear time, and gives the
//    same result as feeding the whole.
// 2. An error, once found, is found for every longer buffer too; a prefix gives 0 or that error.
// 3. Progress is kept as offsets. Between calls the bytes may grow and move, but not change.
// 4. Whatever two implementations could read in two ways is refused: see request.c and fields.c.
//
// After an error the end of the request is unknown: answer it and close the connection.
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slice.h"

enum http_method {
    HTTP_METHOD_NONE,  // no request line yet
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
};

enum http_target_form {
    HTTP_TARGET_ORIGIN,    // /path?query
    HTTP_TARGET_ABSOLUTE,  // http://host/path?query
    HTTP_TARGET_ASTERISK,  // *, with OPTIONS only
};

// The fields the parser knows. The order is that of the bits in `present` and `repeated`.
enum http_field {
    HTTP_FIELD_HOST,
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_RANGE,
    HTTP_FIELD_IF_MODIFIED_SINCE,
    HTTP_FIELD_IF_NONE_MATCH,
    HTTP_FIELD_IF_MATCH,
    HTTP_FIELD_IF_RANGE,
    HTTP_FIELD_IF_UNMODIFIED_SINCE,
    HTTP_FIELD_COUNT,
    HTTP_FIELD_OTHER = HTTP_FIELD_COUNT,
};

// What the response says about the connection.
enum http_connection {
    HTTP_CONNECTION_DEFAULT,     // stays open, and HTTP/1.1 need not say so
    HTTP_CONNECTION_KEEP_ALIVE,  // stays open, and an HTTP/1.0 client must be told
    HTTP_CONNECTION_CLOSE,
};

struct http_limits {
    uint32_t request_line_max;  // bytes without the CRLF; beyond: 414
    uint32_t head_max;          // bytes up to and with the empty line, < 2^31; beyond: 431
    uint32_t header_count_max;  // field lines; beyond: 431
    uint64_t body_max;          // bytes of content; beyond: 413
};

#define HTTP_LIMITS_DEFAULT                                                                     \
    {                                                                                           \
        .request_line_max = 8192, .head_max = 16384, .header_count_max = 100, .body_max = 65536 \
    }

// A piece of the head, as an offset from its first byte.
struct http_span {
    uint32_t at;
    uint32_t size;
};

// All zero before its first use; after a result other than 0 it is ready for the next request.
// Everything but the last two fields is meaningful once the parser has returned more than 0.
struct http_request {
    const char *head;  // the buffer of the call that completed the head
    uint8_t method;    // enum http_method
    uint8_t form;      // enum http_target_form
    uint8_t version_minor;
    uint8_t connection;        // enum http_connection
    bool is_chunked;           // the body is chunked; else it has content_length bytes
    bool has_expect_continue;  // the client may wait for "100 Continue" before it sends the body
    uint16_t present;          // bit `1 << field`: the field was there
    uint16_t repeated;         // ... and on more than one line
    uint32_t header_count;
    uint64_t content_length;  // 0 when absent
    struct http_span path;    // still escaped; empty for http://host
    struct http_span query;   // behind the question mark
    struct http_span authority;
    struct http_span fields[HTTP_FIELD_COUNT];  // the first line of each present field
    uint32_t headers_at;                        // where the field lines begin
    uint8_t connection_seen;                    // private: tokens seen in Connection
    uint32_t line_at;                           // private: where the line being read begins
    uint32_t scanned;                           // private: bytes known to hold no line end
};

// Parses the head that begins at `buf`. Returns its size in bytes (more than 0), or 0 if it goes on
// beyond `len`: call again with the same request and more bytes. Or the negative of the status to
// answer with: 400, 413, 414, 417, 431, 501, 505.
int http_request_parse(struct http_request *req, const char *buf, size_t len,
                       const struct http_limits *limits);

// The name of a method, as it stands in a request line.
const char *http_method_name(enum http_method method);

static inline struct http_slice http_request_slice(const struct http_request *req,
                                                   struct http_span span)
{
    return (struct http_slice){req->head + span.at, span.size};
}

// The path, still escaped, beginning with a slash (or the asterisk).
static inline struct http_slice http_request_path(const struct http_request *req)
{
    if (req->path.size == 0) return (struct http_slice){"/", 1};
    return http_request_slice(req, req->path);
}

// The authority of an absolute target, else the Host field; NULL data if the request has neither.
struct http_slice http_request_host(const struct http_request *req);

static inline bool http_request_has(const struct http_request *req, enum http_field field)
{
    return (req->present >> field & 1) != 0;
}

// The trimmed value of the first line of a field; NULL data if it is absent.
static inline struct http_slice http_request_field(const struct http_request *req,
                                                   enum http_field field)
{
    if (!http_request_has(req, field)) return (struct http_slice){NULL, 0};
    return http_request_slice(req, req->fields[field]);
}

// True if the answer may be other than the whole file: some If- field or Range is present.
static inline bool http_request_is_conditional(const struct http_request *req)
{
    return (req->present >> HTTP_FIELD_RANGE) != 0;
}

static inline bool http_request_has_body(const struct http_request *req)
{
    return req->is_chunked || req->content_length > 0;
}

struct http_header {
    struct http_slice name;
    struct http_slice value;
};

// Walks over all field lines of a parsed head. `cursor` begins as 0; false after the last line.
bool http_request_next_header(const struct http_request *req, size_t *cursor,
                              struct http_header *header);

// Walks over the lines of one known field.
bool http_request_next_field(const struct http_request *req, enum http_field field, size_t *cursor,
                             struct http_slice *value);

#endif
