// SPDX-License-Identifier: MIT
//
// The line splitter and the request line. Fields are decoded in fields.c.
//
// One scan finds the end of a line and proves on the way that no control byte but a tab stands in
// it, so CR, LF and NUL occur only as the CRLF at the end. Everything after that works on a
// complete line. Refused with 400, because others might read them differently:
//
// - a bare LF or a bare CR, NUL and other control bytes, anywhere in the head;
// - empty lines before the request line, but for one CRLF (some clients send it after a body);
// - other than exactly one space between method, target and version; HTTP/0.9;
// - a field line that begins with a space or tab (folding), has no colon, an empty name, or
//   anything but token characters before the colon;
// - a tab around the value of Content-Length or Transfer-Encoding: legal, but some parsers fail to
//   see what stands beside it;
// - a target with bytes above ASCII or one of " < > # and backslash, "*" without OPTIONS, an
//   absolute target whose scheme is not http or https or that holds a user name.
//
// A version other than 1.0 and 1.1 is 505. A method we have no name for is 501, and so is CONNECT:
// its target has a form of its own, and a file server opens no tunnels.
#include "request.h"

#include <endian.h>

#include "chars.h"
#include "fields.h"

static const uint64_t EVERY_BYTE = 0x0101010101010101u;

static bool is_control(char c)
{
    unsigned char byte = (unsigned char)c;

    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

// Eight bytes at once: the lowest bit that is set tells the first byte below 0x20 or equal to 0x7f,
// the first in memory being the lowest. Bits above it may be wrong, because of borrows.
static uint64_t word_controls(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    word = le64toh(word);

    uint64_t low = (word - EVERY_BYTE * 0x20) & ~word;
    uint64_t del = word ^ (EVERY_BYTE * 0x7f);

    return (low | ((del - EVERY_BYTE) & ~del)) & (EVERY_BYTE * 0x80);
}

// The first control byte other than a tab in [at, end), or `end`.
static size_t scan_text(const char *buf, size_t at, size_t end)
{
    while (end - at >= 8) {
        uint64_t controls = word_controls(buf + at);

        if (controls == 0) {
            at += 8;
            continue;
        }
        at += (size_t)(ffsll((long long)controls) - 1) / 8;
        if (buf[at] != '\t') return at;
        at++;
    }
    while (at < end && !is_control(buf[at])) at++;
    return at;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Finds the end of the line that begins at `line_at`: 1 and its CR in `scanned`, 0 for more bytes.
static int line_find(struct http_request *req, const char *buf, size_t len,
                     const struct http_limits *limits)
{
    size_t end = min_size(len, limits->head_max);
    size_t bound = end;

    if (req->method == HTTP_METHOD_NONE) {
        bound = min_size(end, (size_t)req->line_at + limits->request_line_max + 1);
    }

    size_t at = scan_text(buf, req->scanned, bound);

    req->scanned = (uint32_t)at;
    if (at < bound && buf[at] != '\r') return -400;
    if (at < bound && at + 1 < end) return buf[at + 1] == '\n' ? 1 : -400;
    if (at == bound && bound < end) return -414;
    return end < limits->head_max ? 0 : -431;
}

static enum http_method method_find(const char *name, size_t size)
{
    static const char names[][8] = {"GET",    "HEAD",    "POST",  "PUT",
                                    "DELETE", "OPTIONS", "TRACE", "PATCH"};

    if (size > 7) return HTTP_METHOD_NONE;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (memcmp(names[i], name, size) == 0 && names[i][size] == '\0') return HTTP_GET + i;
    }
    return HTTP_METHOD_NONE;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {"-",      "GET",     "HEAD",  "POST", "PUT",
                                        "DELETE", "OPTIONS", "TRACE", "PATCH"};

    return names[method];
}

static struct http_span span_between(size_t from, size_t to)
{
    return (struct http_span){(uint32_t)from, (uint32_t)(to - from)};
}

static size_t skip_class(const char *buf, size_t at, unsigned flags)
{
    while (http_char_is(buf[at], flags)) {
        at++;
    }
    return at;
}

// Splits what follows the authority. Returns where the target ends, which the caller checks.
static size_t path_parse(struct http_request *req, const char *buf, size_t at)
{
    size_t end = skip_class(buf, at, HTTP_CHAR_PATH);

    req->path = span_between(at, end);
    if (buf[end] != '?') return end;
    at = end + 1;
    end = skip_class(buf, at, HTTP_CHAR_QUERY);
    req->query = span_between(at, end);
    return end;
}

// An absolute target. Returns its end, or 0 if it is none. `end` is the end of the line.
static size_t absolute_parse(struct http_request *req, const char *buf, size_t at, size_t end)
{
    size_t left = end - at;

    if (left >= 7 && http_slice_is_nocase((struct http_slice){buf + at, 7}, "http://")) {
        at += 7;
    } else if (left >= 8 && http_slice_is_nocase((struct http_slice){buf + at, 8}, "https://")) {
        at += 8;
    } else {
        return 0;
    }
    size_t stop = at;

    while (http_char_is(buf[stop], HTTP_CHAR_PATH) && buf[stop] != '/') {
        stop++;
    }
    req->form = HTTP_TARGET_ABSOLUTE;
    req->authority = span_between(at, stop);
    if (!http_authority_is_valid((struct http_slice){buf + at, stop - at})) return 0;
    return path_parse(req, buf, stop);
}

// Returns the end of the target, or 0 if it has none of the known forms.
static size_t target_parse(struct http_request *req, const char *buf, size_t at, size_t end)
{
    if (buf[at] == '/') return path_parse(req, buf, at);
    if (buf[at] == '*' && req->method == HTTP_OPTIONS) {
        req->form = HTTP_TARGET_ASTERISK;
        req->path = span_between(at, at + 1);
        return at + 1;
    }
    return absolute_parse(req, buf, at, end);
}

// "HTTP/1.1" and nothing else may stand in [at, end).
static int version_parse(struct http_request *req, const char *buf, size_t at, size_t end)
{
    if (end - at != 8 || memcmp(buf + at, "HTTP/", 5) != 0) return -400;
    if (!http_is_digit(buf[at + 5]) || buf[at + 6] != '.' || !http_is_digit(buf[at + 7])) {
        return -400;
    }
    if (buf[at + 5] != '1' || buf[at + 7] > '1') return -505;
    req->version_minor = (uint8_t)(buf[at + 7] - '0');
    return 0;
}

static int request_line_parse(struct http_request *req, const char *buf, size_t at, size_t end)
{
    size_t space = skip_class(buf, at, HTTP_CHAR_TOKEN);

    if (space == at || buf[space] != ' ') return -400;
    req->method = (uint8_t)method_find(buf + at, space - at);
    if (req->method == HTTP_METHOD_NONE) return -501;

    size_t target_end = target_parse(req, buf, space + 1, end);

    if (target_end == 0 || buf[target_end] != ' ') return -400;
    return version_parse(req, buf, target_end + 1, end);
}

static bool field_is_framing(enum http_field field)
{
    return field == HTTP_FIELD_CONTENT_LENGTH || field == HTTP_FIELD_TRANSFER_ENCODING;
}

static int header_parse(struct http_request *req, const char *buf, size_t at, size_t end)
{
    size_t colon = skip_class(buf, at, HTTP_CHAR_TOKEN);

    if (colon == at || buf[colon] != ':') return -400;

    enum http_field field = http_field_find(buf + at, colon - at);

    if (field == HTTP_FIELD_OTHER) return 0;
    if (field_is_framing(field) && memchr(buf + colon, '\t', end - colon) != NULL) return -400;

    struct http_slice value = http_slice_trim(
        (struct http_slice){buf + colon + 1, end - colon - 1});
    size_t value_at = (size_t)(value.data - buf);

    return http_field_take(req, field, value, span_between(value_at, value_at + value.size));
}

// Takes the line [line_at, end): 1 if it ends the head, 0 if not, or the negative of a status.
static int line_take(struct http_request *req, const char *buf, size_t end,
                     const struct http_limits *limits)
{
    size_t at = req->line_at;

    if (req->method == HTTP_METHOD_NONE) {
        if (at == end) return at == 0 ? 0 : -400;
        req->headers_at = (uint32_t)end + 2;
        return request_line_parse(req, buf, at, end);
    }
    if (at == end) {
        int err = http_fields_finish(req, limits);

        return err < 0 ? err : 1;
    }
    if (req->header_count == limits->header_count_max) return -431;
    req->header_count++;
    return header_parse(req, buf, at, end);
}

static void request_begin(struct http_request *req)
{
    req->method = HTTP_METHOD_NONE;
    req->form = HTTP_TARGET_ORIGIN;
    req->is_chunked = false;
    req->has_expect_continue = false;
    req->present = 0;
    req->repeated = 0;
    req->header_count = 0;
    req->content_length = 0;
    req->query = (struct http_span){0, 0};
    req->authority = (struct http_span){0, 0};
    req->connection_seen = 0;
    req->line_at = 0;
}

int http_request_parse(struct http_request *req, const char *buf, size_t len,
                       const struct http_limits *limits)
{
    int result;

    if (req->scanned == 0) request_begin(req);
    req->head = buf;
    for (;;) {
        result = line_find(req, buf, len, limits);
        if (result == 0) return 0;
        if (result < 0) break;

        uint32_t end = req->scanned;

        result = line_take(req, buf, end, limits);
        if (result != 0) break;
        req->line_at = req->scanned = end + 2;
    }
    if (result > 0) result = (int)req->scanned + 2;
    req->scanned = 0;
    return result;
}

struct http_slice http_request_host(const struct http_request *req)
{
    if (req->form == HTTP_TARGET_ABSOLUTE) return http_request_slice(req, req->authority);
    return http_request_field(req, HTTP_FIELD_HOST);
}

bool http_request_next_header(const struct http_request *req, size_t *cursor,
                              struct http_header *header)
{
    const char *line = req->head + (*cursor == 0 ? req->headers_at : *cursor);

    if (*line == '\r') return false;  // the empty line; each line of the head has a CR

    size_t colon = skip_class(line, 0, HTTP_CHAR_TOKEN);
    size_t end = colon + 1;

    while (line[end] != '\r') {
        end++;
    }
    header->name = (struct http_slice){line, colon};
    header->value = http_slice_trim((struct http_slice){line + colon + 1, end - colon - 1});
    *cursor = (size_t)(line - req->head) + end + 2;
    return true;
}

bool http_request_next_field(const struct http_request *req, enum http_field field, size_t *cursor,
                             struct http_slice *value)
{
    struct http_header header;

    while (http_request_next_header(req, cursor, &header)) {
        if (http_field_find(header.name.data, header.name.size) != field) continue;
        *value = header.value;
        return true;
    }
    return false;
}
