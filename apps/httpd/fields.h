// SPDX-License-Identifier: MIT
//
// Decoding of the header fields the parser knows. Between request.c and fields.c only.
#ifndef HTTPD_FIELDS_H
#define HTTPD_FIELDS_H

#include "request.h"

// Which known field this is; `name` is a token.
enum http_field http_field_find(const char *name, size_t size);

// Records and decodes one field line. Returns 0 or the negative of a status.
int http_field_take(struct http_request *req, enum http_field field, struct http_slice value,
                    struct http_span span);

// What only the whole head can tell: fields that are missing or contradict each other.
int http_fields_finish(struct http_request *req, const struct http_limits *limits);

// True for "host", "host:port", an IPv4 or a bracketed IPv6 address. No user name, no escapes.
bool http_authority_is_valid(struct http_slice authority);

#endif
