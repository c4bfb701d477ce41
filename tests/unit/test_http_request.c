// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/request.c and fields.c: a table of requests, each fed whole, in every prefix,
// byte by byte in a buffer that moves, and with tight limits; then what is decoded from them.
//
// Built from this file and apps/httpd/{request,fields,chars,slice}.c.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../apps/httpd/chars.h"
#include "../../apps/httpd/request.h"
#include "../http/requests.h"
#include "../http/tap.h"

static const struct http_limits limits_default = HTTP_LIMITS_DEFAULT;

// The text in memory of its very size, so that reading beyond it is seen by a sanitizer.
static char *copy_exact(const char *text, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) abort();
    memcpy(copy, text, size);
    return copy;
}

static int parse_exact(struct http_request *req, const char *text, size_t size,
                       const struct http_limits *limits)
{
    char *copy = copy_exact(text, size);
    int result = http_request_parse(req, copy, size, limits);

    free(copy);
    return result;
}

static bool result_is(int result, int status, size_t size)
{
    if (status == 200) return result > 0 && (size_t)result <= size;
    return result == -status;
}

static void whole_gives_the_status(const struct request_case *c)
{
    struct http_request req = {0};

    tap_claim_of(result_is(parse_exact(&req, c->text, c->size, &limits_default), c->status,
                           c->size),
                 "whole gives the status", c->claim);
}

// Every prefix gives 0 or the result of the whole, and once not 0 it stays so.
static bool prefixes_agree(const char *text, size_t size, const struct http_limits *limits)
{
    struct http_request req = {0};
    int whole = parse_exact(&req, text, size, limits);
    bool has_ended = false;

    for (size_t i = 0; i <= size; i++) {
        req = (struct http_request){0};

        int result = parse_exact(&req, text, i, limits);

        if (result != 0 && result != whole) return false;
        if (has_ended && result == 0) return false;
        has_ended = result != 0;
    }
    return true;
}

// Feeds pieces of `step` bytes, each time in a fresh copy: nothing may point into the last one.
static int feed(const char *text, size_t size, size_t step, const struct http_limits *limits)
{
    struct http_request req = {0};
    int result = 0;

    for (size_t i = 0; result == 0 && i < size;) {
        i = size - i < step ? size : i + step;
        result = parse_exact(&req, text, i, limits);
    }
    return result;
}

static bool pieces_agree(const char *text, size_t size, const struct http_limits *limits)
{
    int whole = feed(text, size, size, limits);

    for (size_t step = 1; step < 20; step++) {
        if (feed(text, size, step, limits) != whole) return false;
    }
    return true;
}

static void tight_limits_agree_with_themselves(const struct request_case *c)
{
    bool held = true;

    for (uint32_t max = 0; max < 40; max++) {
        struct http_limits by_line = {max, 16384, 100, 65536};
        struct http_limits by_head = {8192, max, 100, 65536};
        struct http_limits by_both = {max, max + 1, 1, 65536};

        held = held && prefixes_agree(c->text, c->size, &by_line) &&
               prefixes_agree(c->text, c->size, &by_head) &&
               prefixes_agree(c->text, c->size, &by_both) &&
               pieces_agree(c->text, c->size, &by_line) &&
               pieces_agree(c->text, c->size, &by_head) && pieces_agree(c->text, c->size, &by_both);
    }
    tap_claim_of(held, "tight limits change nothing about that", c->claim);
}

static void run_table(void)
{
    for (size_t i = 0; i < REQUEST_CASE_COUNT; i++) {
        const struct request_case *c = &request_cases[i];

        whole_gives_the_status(c);
        tap_claim_of(prefixes_agree(c->text, c->size, &limits_default),
                     "every prefix gives 0 or the same", c->claim);
        tap_claim_of(pieces_agree(c->text, c->size, &limits_default),
                     "pieces of any size give the same", c->claim);
        if (i % 4 == 0) tight_limits_agree_with_themselves(c);
    }
}

static void classes_follow_their_definitions(void)
{
    static const char alnum[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool held = true;

    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool is_alnum = i > 0 && strchr(alnum, c) != NULL;
        bool is_visible = i > 0x20 && i < 0x7f;
        bool is_path = is_visible && strchr("\"#<>?\\", c) == NULL;

        held = held &&
               http_char_is(c, HTTP_CHAR_TOKEN) ==
                   (is_alnum || (i > 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL)) &&
               http_char_is(c, HTTP_CHAR_PATH) == is_path &&
               http_char_is(c, HTTP_CHAR_QUERY) == (is_path || c == '?') &&
               http_char_is(c, HTTP_CHAR_HOST) ==
                   (is_alnum || (i > 0 && strchr("-._", c) != NULL)) &&
               http_char_is(c, HTTP_CHAR_HEX) ==
                   (i > 0 && strchr("0123456789abcdefABCDEF", c) != NULL);
    }
    tap_claim(held, "classes_follow_their_definitions");
}

// Any control byte anywhere in a line is refused, whatever stands around it.
static void control_bytes_are_refused_at_every_offset(void)
{
    bool held = true;

    for (size_t at = 0; at < 39; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: "
                          "\t23456789012345678901234567890123456789\r\n\r\n";
            struct http_request req = {0};
            bool is_bad = (byte < 0x20 && byte != '\t') || byte == 0x7f;

            text[28 + at] = (char)byte;

            int result = http_request_parse(&req, text, sizeof text - 1, &limits_default);

            held = held && (result == -400) == is_bad && (result > 0) == !is_bad;
        }
    }
    tap_claim(held, "control_bytes_are_refused_at_every_offset");
}

static int parse(struct http_request *req, const char *text)
{
    *req = (struct http_request){0};
    return http_request_parse(req, text, strlen(text), &limits_default);
}

static void request_line_is_decoded(void)
{
    struct http_request req;
    bool held = parse(&req, "HEAD /a/b%20c?x=1?y HTTP/1.0\r\n\r\n") > 0;

    tap_claim(held && req.method == HTTP_HEAD && req.version_minor == 0 &&
                  req.form == HTTP_TARGET_ORIGIN &&
                  http_slice_is(http_request_path(&req), "/a/b%20c") &&
                  http_slice_is(http_request_slice(&req, req.query), "x=1?y"),
              "request_line_is_decoded");
    held = parse(&req, "GET http://a.example:81?q HTTP/1.1\r\nHost: b\r\n\r\n") > 0;
    tap_claim(held && req.form == HTTP_TARGET_ABSOLUTE &&
                  http_slice_is(http_request_path(&req), "/") &&
                  http_slice_is(http_request_slice(&req, req.query), "q") &&
                  http_slice_is(http_request_host(&req), "a.example:81"),
              "absolute_target_overrides_host");
    held = parse(&req, "OPTIONS * HTTP/1.1\r\nHost: b:1\r\n\r\n") > 0;
    tap_claim(held && req.form == HTTP_TARGET_ASTERISK &&
                  http_slice_is(http_request_path(&req), "*") &&
                  http_slice_is(http_request_host(&req), "b:1"),
              "asterisk_is_a_form_of_its_own");
    held = parse(&req, "GET / HTTP/1.0\r\n\r\n") > 0;
    tap_claim(held && http_request_host(&req).data == NULL, "host_may_be_absent_in_1_0");
}

static void methods_have_their_names(void)
{
    bool held = true;

    for (int method = HTTP_GET; method <= HTTP_PATCH; method++) {
        struct http_request req;
        char text[64];

        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n",
                 http_method_name((enum http_method)method));
        held = held && parse(&req, text) > 0 && req.method == method;
    }
    tap_claim(held, "methods_have_their_names");
}

static void connection_follows_version_and_tokens(void)
{
    static const struct {
        const char *claim;
        const char *text;
        enum http_connection connection;
    } rows[] = {
        {"1.1", GET END, HTTP_CONNECTION_DEFAULT},
        {"1.1 keep-alive", GET "Connection: keep-alive\r\n" END, HTTP_CONNECTION_DEFAULT},
        {"1.1 close", GET "Connection: close\r\n" END, HTTP_CONNECTION_CLOSE},
        {"1.1 close in a list", GET "Connection: x, CLOSE\r\n" END, HTTP_CONNECTION_CLOSE},
        {"1.1 another word", GET "Connection: closed\r\n" END, HTTP_CONNECTION_DEFAULT},
        {"1.1 both", GET "Connection: keep-alive\r\nConnection: close\r\n" END,
         HTTP_CONNECTION_CLOSE},
        {"1.0", "GET / HTTP/1.0\r\n\r\n", HTTP_CONNECTION_CLOSE},
        {"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
         HTTP_CONNECTION_KEEP_ALIVE},
        {"1.0 both", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
         HTTP_CONNECTION_CLOSE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_request req;
        bool held = parse(&req, rows[i].text) > 0 && req.connection == rows[i].connection;

        tap_claim_of(held, "connection_follows_version_and_tokens", rows[i].claim);
    }
}

static void body_fields_are_decoded(void)
{
    struct http_request req;
    bool held = parse(&req, POST "Content-Length: 0042\r\nExpect: 100-continue\r\n\r\n") > 0;

    tap_claim(held && req.content_length == 42 && !req.is_chunked && req.has_expect_continue &&
                  http_request_has_body(&req),
              "content_length_is_decoded");
    held = parse(&req, POST "Transfer-Encoding: Chunked\r\n\r\n") > 0;
    tap_claim(held && req.is_chunked && req.content_length == 0 && http_request_has_body(&req),
              "chunked_is_decoded");
    held = parse(&req, POST "Expect: 100-continue\r\n\r\n") > 0;
    tap_claim(held && !req.has_expect_continue && !http_request_has_body(&req),
              "nothing_to_expect_without_a_body");
    held = parse(&req, "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n") > 0;
    tap_claim(held && !req.has_expect_continue, "expect_is_ignored_in_1_0");
}

static void known_fields_are_found(void)
{
    static const char text[] = GET
        "Range:  bytes=0-1 \r\nIF-MATCH: *\r\nIf-None-Match: \"a\"\r\n"
        "If-Modified-Since: m\r\nIf-Unmodified-Since: u\r\n"
        "If-Range: r\r\nIf-None-Match: \"b\"\r\nX-Range: n\r\n\r\n";
    struct http_request req;
    struct http_slice value;
    size_t cursor = 0;
    bool held = parse(&req, text) > 0;

    tap_claim(held && http_slice_is(http_request_field(&req, HTTP_FIELD_RANGE), "bytes=0-1") &&
                  http_slice_is(http_request_field(&req, HTTP_FIELD_IF_MATCH), "*") &&
                  http_slice_is(http_request_field(&req, HTTP_FIELD_IF_NONE_MATCH), "\"a\"") &&
                  http_slice_is(http_request_field(&req, HTTP_FIELD_IF_MODIFIED_SINCE), "m") &&
                  http_slice_is(http_request_field(&req, HTTP_FIELD_IF_UNMODIFIED_SINCE), "u") &&
                  http_slice_is(http_request_field(&req, HTTP_FIELD_IF_RANGE), "r"),
              "known_fields_are_found");
    tap_claim(http_request_field(&req, HTTP_FIELD_EXPECT).data == NULL, "absent_fields_are_null");
    tap_claim(http_request_is_conditional(&req), "if_fields_make_it_conditional");
    tap_claim(req.repeated == 1u << HTTP_FIELD_IF_NONE_MATCH, "repeated_fields_are_marked");
    held = http_request_next_field(&req, HTTP_FIELD_IF_NONE_MATCH, &cursor, &value) &&
           http_slice_is(value, "\"a\"") &&
           http_request_next_field(&req, HTTP_FIELD_IF_NONE_MATCH, &cursor, &value) &&
           http_slice_is(value, "\"b\"") &&
           !http_request_next_field(&req, HTTP_FIELD_IF_NONE_MATCH, &cursor, &value);
    tap_claim(held, "lines_of_one_field_are_walked");
    tap_claim(parse(&req, GET "Connection: close\r\n\r\n") > 0 &&
                  !http_request_is_conditional(&req),
              "other_fields_do_not");
}

static void headers_are_walked_in_order(void)
{
    struct http_request req;
    struct http_header header;
    size_t cursor = 0;
    bool held = parse(&req,
                      "\r\nGET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nX: \t b:c \r\n\r\nY: z\r\n") > 0;

    held = held && req.header_count == 3 && http_request_next_header(&req, &cursor, &header) &&
           http_slice_is(header.name, "Host") && http_slice_is(header.value, "a");
    held = held && http_request_next_header(&req, &cursor, &header) &&
           http_slice_is(header.name, "Empty") && http_slice_is(header.value, "");
    held = held && http_request_next_header(&req, &cursor, &header) &&
           http_slice_is(header.name, "X") && http_slice_is(header.value, "b:c");
    tap_claim(held && !http_request_next_header(&req, &cursor, &header),
              "headers_are_walked_in_order");
}

static void pipelined_requests_follow_each_other(void)
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\nConnection: close\r\n\r\n"
        "POST /22 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        "HEAD /333 HTTP/1.0\r\n\r\n";
    struct http_request req = {0};
    size_t at = 0;
    int count = 0;
    bool held = true;

    while (at < sizeof text - 1) {
        int used = http_request_parse(&req, text + at, sizeof text - 1 - at, &limits_default);

        if (used <= 0) break;
        at += (size_t)used;
        count++;
        held = held && (int)req.path.size == count + 1;
    }
    tap_claim(held && count == 3 && at == sizeof text - 1 && req.present == 0,
              "pipelined_requests_follow_each_other");
}

// The size at which a limit begins to refuse, found by trying.
static void limits_are_exact(void)
{
    static const char text[] = "GET /0123456789 HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
    const uint32_t line = 24, head = sizeof text - 1;
    struct http_request req = {0};

    tap_claim(http_request_parse(&req, text, head, &(struct http_limits){line, head, 2, 0}) ==
                  (int)head,
              "a_request_at_every_limit_is_accepted");
    tap_claim(http_request_parse(&req, text, head, &(struct http_limits){line - 1, head, 2, 0}) ==
                  -414,
              "a_longer_request_line_is_414");
    tap_claim(http_request_parse(&req, text, head, &(struct http_limits){line, head - 1, 2, 0}) ==
                  -431,
              "a_larger_head_is_431");
    tap_claim(http_request_parse(&req, text, head, &(struct http_limits){line, head, 1, 0}) == -431,
              "one_field_more_is_431");
    tap_claim(http_request_parse(&req, "GET /01", 7, &(struct http_limits){5, 100, 2, 0}) == -414,
              "an_unfinished_line_that_is_too_long_is_414");
    tap_claim(http_request_parse(&req, text, 30, &(struct http_limits){line, 30, 2, 0}) == -431,
              "an_unfinished_head_that_is_too_large_is_431");
}

// Byte by byte up to a head of 16 KiB: quadratic work would take seconds under a sanitizer.
static void feeding_byte_by_byte_is_linear(void)
{
    enum { SIZE = 16000 };
    static char text[SIZE];
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    struct http_request req = {0};
    int result = 0;

    memset(text, 'x', sizeof text);
    memcpy(text, start, sizeof start - 1);
    memcpy(text + SIZE - 4, "\r\n\r\n", 4);
    for (size_t i = 1; i <= SIZE && result == 0; i++) {
        uint32_t before = req.scanned;

        result = http_request_parse(&req, text, i, &limits_default);
        if (result == 0 && req.scanned < before) result = -1;
    }
    tap_claim(result == SIZE, "feeding_byte_by_byte_is_linear");
}

int main(void)
{
    run_table();
    classes_follow_their_definitions();
    control_bytes_are_refused_at_every_offset();
    request_line_is_decoded();
    methods_have_their_names();
    connection_follows_version_and_tokens();
    body_fields_are_decoded();
    known_fields_are_found();
    headers_are_walked_in_order();
    pipelined_requests_follow_each_other();
    limits_are_exact();
    feeding_byte_by_byte_is_linear();
    return tap_end();
}
