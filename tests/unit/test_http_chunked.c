// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/chunked.c: a table of bodies, each fed whole and in pieces of every size.
//
// Built from this file and apps/httpd/{chunked,request,fields,chars,slice}.c.
#include <stdlib.h>
#include <string.h>

#include "../../apps/httpd/chunked.h"
#include "../http/tap.h"

static const struct http_limits limits = {
    .request_line_max = 100, .head_max = 64, .header_count_max = 10, .body_max = 40};

struct body_case {
    int result;   // 1 complete, 0 unfinished, or the negative of a status
    size_t used;  // of a complete body
    const char *claim;
    const char *text;
    size_t size;
};

#define BODY(result, used, claim, text)            \
    {                                              \
        result, used, claim, text, sizeof text - 1 \
    }

// clang-format off
static const struct body_case chunked_cases[] = {
    BODY(1, 5, "no content", "0\r\n\r\n"),
    BODY(1, 15, "one chunk", "5\r\nhello\r\n0\r\n\r\n"),
    BODY(1, 15, "what follows is left alone", "5\r\nhello\r\n0\r\n\r\nGET /"),
    BODY(1, 21, "two chunks", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
    BODY(1, 17, "leading zeros", "005\r\nhello\r\n0\r\n\r\n"),
    BODY(1, 35, "sixteen digits", "000000000000000a\r\n0123456789\r\n0\r\n\r\n"),
    BODY(1, 20, "capital digits", "A\r\n0123456789\r\n0\r\n\r\n"),
    BODY(1, 17, "content that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    BODY(1, 19, "an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
    BODY(1, 23, "a quoted extension", "5;a=\"b;\t\"\r\nhello\r\n0\r\n\r\n"),
    BODY(1, 9, "an extension of the last chunk", "0;a=b\r\n\r\n"),
    BODY(1, 11, "a trailer", "0\r\nX: y\r\n\r\n"),
    BODY(1, 16, "two trailers", "0\r\nX: y\r\nZ:\t\r\n\r\n"),
    BODY(1, 24, "a trailer may not change the framing", "0\r\nContent-Length: 5\r\n\r\n"),
    BODY(1, 51, "content at the limit",
            "28\r\n0123456789012345678901234567890123456789\r\n0\r\n\r\n"),

    BODY(0, 0, "nothing", ""),
    BODY(0, 0, "half a size", "5"),
    BODY(0, 0, "a size", "5\r\n"),
    BODY(0, 0, "half a chunk", "5\r\nhel"),
    BODY(0, 0, "a chunk without its end", "5\r\nhello"),
    BODY(0, 0, "a chunk", "5\r\nhello\r\n"),
    BODY(0, 0, "the last chunk without the empty line", "0\r\n"),
    BODY(0, 0, "half of the empty line", "0\r\n\r"),
    BODY(0, 0, "half a trailer", "0\r\nX"),

    BODY(-400, 0, "an empty size", "\r\n"),
    BODY(-400, 0, "no digit", "x\r\n"),
    BODY(-400, 0, "a space before the size", " 5\r\nhello\r\n"),
    BODY(-400, 0, "a space behind the size", "5 \r\nhello\r\n"),
    BODY(-400, 0, "a space before the extension", "5 ;a\r\nhello\r\n"),
    BODY(-400, 0, "a tab behind the size", "5\t\r\nhello\r\n"),
    BODY(-400, 0, "a plus sign", "+5\r\nhello\r\n"),
    BODY(-400, 0, "a minus sign", "-5\r\nhello\r\n"),
    BODY(-400, 0, "a hexadecimal prefix", "0x5\r\nhello\r\n"),
    BODY(-400, 0, "an underscore", "1_0\r\n"),
    BODY(-400, 0, "seventeen digits", "00000000000000005\r\nhello\r\n"),
    BODY(-400, 0, "a size that ends in LF", "5\nhello\r\n"),
    BODY(-400, 0, "a size that ends in CR", "5\rhello\r\n"),
    BODY(-400, 0, "an extension that ends in LF", "5;a\nhello\r\n"),
    BODY(-400, 0, "an extension with a NUL", "5;a\0\r\nhello\r\n"),
    BODY(-400, 0, "an extension with a CR", "5;a\rb\r\nhello\r\n"),
    BODY(-400, 0, "no CRLF behind the content", "5\r\nhello0\r\n\r\n"),
    BODY(-400, 0, "an LF behind the content", "5\r\nhello\n0\r\n\r\n"),
    BODY(-400, 0, "a CR behind the content", "5\r\nhello\r0\r\n\r\n"),
    BODY(-400, 0, "content longer than said", "4\r\nhello\r\n"),
    BODY(-400, 0, "an LF as the empty line", "0\r\n\n"),
    BODY(-400, 0, "a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
    BODY(-400, 0, "a trailer without a colon", "0\r\nX\r\n\r\n"),
    BODY(-400, 0, "a trailer without a name", "0\r\n: y\r\n\r\n"),
    BODY(-400, 0, "a trailer with a space before the colon", "0\r\nX : y\r\n\r\n"),
    BODY(-400, 0, "a trailer that ends in LF", "0\r\nX: y\n\r\n"),
    BODY(-400, 0, "a request in place of trailers", "0\r\nGET / HTTP/1.1\r\n\r\n"),

    BODY(-413, 0, "a chunk above the limit", "29\r\n"),
    BODY(-413, 0, "chunks above the limit", "14\r\n01234567890123456789\r\n15\r\n"),
    BODY(-413, 0, "the largest size", "ffffffffffffffff\r\n"),
    BODY(-413, 0, "a sum that would overflow", "1\r\nx\r\nffffffffffffffff\r\n"),
    BODY(-431, 0, "a long extension",
            "5;01234567890123456789012345678901234567890123456789012345678901234\r\n"),
    BODY(-431, 0, "extensions that add up",
            "1;0123456789012345678901234567890123\r\nx\r\n"
            "1;0123456789012345678901234567890123\r\n"),
    BODY(-431, 0, "a long trailer name",
            "0\r\nX1234567890123456789012345678901234567890123456789012345678901234: \r\n"),
    BODY(-431, 0, "trailers that add up",
            "0\r\nX: 0123456789012345678901234567890123\r\n"
            "X: 0123456789012345678901234567890123\r\n"),
};
// clang-format on

// Feeds pieces of `step` bytes, each in memory of its own size. Returns the last result.
static int feed(struct http_body *body, const char *text, size_t size, size_t step, size_t *total)
{
    int result = http_body_skip(body, "", 0, total);

    *total = 0;
    while (result == 0 && *total < size) {
        size_t piece = size - *total < step ? size - *total : step;
        char *copy = malloc(piece);
        size_t used;

        if (copy == NULL) abort();
        memcpy(copy, text + *total, piece);
        result = http_body_skip(body, copy, piece, &used);
        free(copy);
        *total += used;
        if (result == 0 && used != piece) return -1;
    }
    return result;
}

static bool chunked_gives(const struct body_case *c, size_t step)
{
    struct http_request req = {.is_chunked = true};
    struct http_body body;
    size_t total;

    http_body_init(&body, &req, &limits);

    int result = feed(&body, c->text, c->size, step, &total);

    return result == c->result && (result != 1 || total == c->used);
}

static void run_chunked_table(void)
{
    for (size_t i = 0; i < sizeof chunked_cases / sizeof *chunked_cases; i++) {
        const struct body_case *c = &chunked_cases[i];
        bool held = true;

        tap_claim_of(chunked_gives(c, c->size + 1), "whole gives the result", c->claim);
        for (size_t step = 1; step <= c->size; step++) {
            held = held && chunked_gives(c, step);
        }
        tap_claim_of(held, "pieces of any size give the same", c->claim);
    }
}

static void plain_body_is_counted(void)
{
    for (size_t size = 0; size <= 40; size += 8) {
        struct http_request req = {.content_length = size};
        static const char text[50];
        bool held = true;
        char row[32];

        for (size_t step = 1; step <= sizeof text; step++) {
            struct http_body body;
            size_t total;

            http_body_init(&body, &req, &limits);
            held = held && feed(&body, text, sizeof text, step, &total) == 1 && total == size;
        }
        snprintf(row, sizeof row, "%zu bytes", size);
        tap_claim_of(held, "plain_body_is_counted", row);
    }
}

static void ended_body_takes_nothing(void)
{
    struct http_request req = {.is_chunked = true};
    struct http_body body;
    size_t used;

    http_body_init(&body, &req, &limits);

    bool held = http_body_skip(&body, "0\r\n\r\nx", 6, &used) == 1 && used == 5;

    tap_claim(held && http_body_skip(&body, "x", 1, &used) == 1 && used == 0,
              "ended_body_takes_nothing");
}

// A head and its body, the way a connection reads them.
static void body_follows_its_head(void)
{
    static const char text[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const struct http_limits wide = HTTP_LIMITS_DEFAULT;
    struct http_request req = {0};
    struct http_body body;
    size_t used;
    int head = http_request_parse(&req, text, sizeof text - 1, &wide);
    bool held = head > 0;

    http_body_init(&body, &req, &wide);
    held = held && http_body_skip(&body, text + head, sizeof text - 1 - (size_t)head, &used) == 1;
    held = held && body.total == 3 && strncmp(text + head + used, "GET", 3) == 0;
    tap_claim(held, "body_follows_its_head");
}

int main(void)
{
    run_chunked_table();
    plain_body_is_counted();
    ended_body_takes_nothing();
    body_follows_its_head();
    return tap_end();
}
