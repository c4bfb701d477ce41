// SPDX-License-Identifier: MIT
//
// The header fields that decide where a request ends and whether the connection stays open, decoded
// once, and the places of those that later code reads. The rules, each against a known way to make
// two servers disagree about one request:
//
// - Content-Length is one line of digits. A second line is 400 even if it repeats the first; so are
//   a list, a sign, a prefix, and a number beyond 64 bits.
// - Transfer-Encoding is one line, in HTTP/1.1 only and never beside a Content-Length. It must end
//   with `chunked`, named once; any coding before that is one we do not have: 501.
// - Host is there exactly once in HTTP/1.1 (at most once in 1.0), not empty, and names nothing but
//   a host and a port.
// - A field of a single value that stands on two lines is 400. Connection, Expect, If-Match and
//   If-None-Match are lists and may take several.
// - An expectation other than 100-continue is 417. In HTTP/1.0 there is none to wait for.
#include "fields.h"

#include "chars.h"

enum {
    SEEN_CLOSE = 1 << 0,
    SEEN_KEEP_ALIVE = 1 << 1,
};

// `lower` has letters and hyphens only: for those, setting one bit of a token character makes lower
// case and makes no other character equal.
static bool name_is(const char *name, const char *lower, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((name[i] | 0x20) != lower[i]) return false;
    }
    return true;
}

enum http_field http_field_find(const char *name, size_t size)
{
    switch (size) {
    case 4:
        if (name_is(name, "host", 4)) return HTTP_FIELD_HOST;
        break;
    case 5:
        if (name_is(name, "range", 5)) return HTTP_FIELD_RANGE;
        break;
    case 6:
        if (name_is(name, "expect", 6)) return HTTP_FIELD_EXPECT;
        break;
    case 8:
        if (name_is(name, "if-match", 8)) return HTTP_FIELD_IF_MATCH;
        if (name_is(name, "if-range", 8)) return HTTP_FIELD_IF_RANGE;
        break;
    case 10:
        if (name_is(name, "connection", 10)) return HTTP_FIELD_CONNECTION;
        break;
    case 13:
        if (name_is(name, "if-none-match", 13)) return HTTP_FIELD_IF_NONE_MATCH;
        break;
    case 14:
        if (name_is(name, "content-length", 14)) return HTTP_FIELD_CONTENT_LENGTH;
        break;
    case 17:
        if (name_is(name, "if-modified-since", 17)) return HTTP_FIELD_IF_MODIFIED_SINCE;
        if (name_is(name, "transfer-encoding", 17)) return HTTP_FIELD_TRANSFER_ENCODING;
        break;
    case 19:
        if (name_is(name, "if-unmodified-since", 19)) return HTTP_FIELD_IF_UNMODIFIED_SINCE;
        break;
    default:
        break;
    }
    return HTTP_FIELD_OTHER;
}

static bool port_is_valid(struct http_slice text)
{
    unsigned port = 0;

    if (text.size > 5) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!http_is_digit(text.data[i])) return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port <= 65535;
}

// The size of "[...]" at the beginning of `text`, or 0.
static size_t bracketed_size(struct http_slice text)
{
    size_t i = 1;

    while (i < text.size) {
        char c = text.data[i];

        if (c == ']') break;
        if (!http_char_is(c, HTTP_CHAR_HEX) && c != ':' && c != '.') return 0;
        i++;
    }
    return i > 2 && i < text.size ? i + 1 : 0;
}

bool http_authority_is_valid(struct http_slice authority)
{
    size_t size = 0;

    if (authority.size > 0 && authority.data[0] == '[') {
        size = bracketed_size(authority);
    } else {
        while (size < authority.size && http_char_is(authority.data[size], HTTP_CHAR_HOST)) {
            size++;
        }
    }
    if (size == 0) return false;
    if (size == authority.size) return true;
    if (authority.data[size] != ':') return false;
    return port_is_valid((struct http_slice){authority.data + size + 1, authority.size - size - 1});
}

static bool is_token(struct http_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!http_char_is(text.data[i], HTTP_CHAR_TOKEN)) return false;
    }
    return text.size > 0;
}

static int connection_take(struct http_request *req, struct http_slice value)
{
    struct http_slice token;

    while (http_list_next(&value, &token)) {
        if (token.size == 0) continue;
        if (!is_token(token)) return -400;
        if (http_slice_is_nocase(token, "close")) req->connection_seen |= SEEN_CLOSE;
        if (http_slice_is_nocase(token, "keep-alive")) req->connection_seen |= SEEN_KEEP_ALIVE;
    }
    return 0;
}

static int content_length_take(struct http_request *req, struct http_slice value)
{
    uint64_t length = 0;

    if (value.size == 0) return -400;
    for (size_t i = 0; i < value.size; i++) {
        if (!http_is_digit(value.data[i])) return -400;

        uint64_t digit = (uint64_t)(value.data[i] - '0');

        if (length > (UINT64_MAX - digit) / 10) return -400;
        length = length * 10 + digit;
    }
    req->content_length = length;
    return 0;
}

static int transfer_encoding_take(struct http_request *req, struct http_slice value)
{
    struct http_slice coding;
    bool has_other = false;

    if (req->version_minor == 0) return -400;
    while (http_list_next(&value, &coding)) {
        if (req->is_chunked || !is_token(coding)) return -400;
        if (http_slice_is_nocase(coding, "chunked")) {
            req->is_chunked = true;
        } else {
            has_other = true;
        }
    }
    if (!req->is_chunked) return -400;
    return has_other ? -501 : 0;
}

static int expect_take(struct http_request *req, struct http_slice value)
{
    if (!http_slice_is_nocase(value, "100-continue")) return -417;
    req->has_expect_continue = req->version_minor > 0;
    return 0;
}

static bool field_is_list(enum http_field field)
{
    const unsigned lists = 1u << HTTP_FIELD_CONNECTION | 1u << HTTP_FIELD_EXPECT |
                           1u << HTTP_FIELD_IF_MATCH | 1u << HTTP_FIELD_IF_NONE_MATCH;

    return (lists >> field & 1) != 0;
}

int http_field_take(struct http_request *req, enum http_field field, struct http_slice value,
                    struct http_span span)
{
    uint16_t bit = (uint16_t)(1u << field);

    if ((req->present & bit) != 0) {
        if (!field_is_list(field)) return -400;
        req->repeated |= bit;
    } else {
        req->present |= bit;
        req->fields[field] = span;
    }
    switch (field) {
    case HTTP_FIELD_HOST:
        return http_authority_is_valid(value) ? 0 : -400;
    case HTTP_FIELD_CONNECTION:
        return connection_take(req, value);
    case HTTP_FIELD_CONTENT_LENGTH:
        return content_length_take(req, value);
    case HTTP_FIELD_TRANSFER_ENCODING:
        return transfer_encoding_take(req, value);
    case HTTP_FIELD_EXPECT:
        return expect_take(req, value);
    default:
        return 0;  // its reader decodes it: range.c, conditional.c
    }
}

static enum http_connection connection_choose(const struct http_request *req)
{
    if ((req->connection_seen & SEEN_CLOSE) != 0) return HTTP_CONNECTION_CLOSE;
    if (req->version_minor > 0) return HTTP_CONNECTION_DEFAULT;
    if ((req->connection_seen & SEEN_KEEP_ALIVE) != 0) return HTTP_CONNECTION_KEEP_ALIVE;
    return HTTP_CONNECTION_CLOSE;
}

int http_fields_finish(struct http_request *req, const struct http_limits *limits)
{
    bool has_length = http_request_has(req, HTTP_FIELD_CONTENT_LENGTH);

    if (req->version_minor > 0 && !http_request_has(req, HTTP_FIELD_HOST)) return -400;
    if (req->is_chunked && has_length) return -400;
    if (req->content_length > limits->body_max) return -413;
    if (!http_request_has_body(req)) req->has_expect_continue = false;
    req->connection = (uint8_t)connection_choose(req);
    return 0;
}
