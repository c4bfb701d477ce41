// SPDX-License-Identifier: MIT
//
// The head of a request to the console, whom the console answers, and queries: what is strict is
// refused with its status.

#include <string.h>

#include "claim.h"
#include "insight/console_guard.h"
#include "insight/console_query.h"
#include "insight/console_request.h"

static char head[RS_REQUEST_MAX];
static struct rs_request request;

// Of a whole head.
static int parse(const char *text)
{
    size_t size = strlen(text);

    memcpy(head, text, size + 1);
    return rs_request_end(head, size) == size ? rs_request_parse(&request, head, size) : -1;
}

static void heads(void)
{
    claim(parse("GET /events?tasks=7&sort=-busy HTTP/1.1\r\nHost: localhost:1\r\n"
                "Accept:\ttext/html, */* \r\nx-rouse-console: 1\r\n\r\n") == 0 &&
              request.method == RS_REQUEST_GET && strcmp(request.path, "/events") == 0 &&
              strcmp(request.query, "tasks=7&sort=-busy") == 0 &&
              strcmp(request.host, "localhost:1") == 0 &&
              strcmp(request.accept, "text/html, */*") == 0 && strcmp(request.token, "1") == 0 &&
              request.origin == NULL,
          "a request is read, with its headers' values trimmed");
    claim(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == 0 &&
              request.method == RS_REQUEST_POST && request.query[0] == '\0',
          "a POST without a body");
    claim(rs_request_end("GET / HTTP/1.1\r\nHost: a\r\n\r", 26) == 0, "the head may end later");
    claim(rs_request_end("GET / HTTP/1.1\r\n\r\nmore", 22) == 18, "what follows is not its");
}

static void refusals(void)
{
    claim(parse("GET / HTTP/1.1\r\n\r\n") == 400, "a Host is asked for");
    claim(parse("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n") == 400, "one of them");
    claim(parse("GET / HTTP/1.0\r\nHost: a\r\n\r\n") == 505, "in this version");
    claim(parse("GET / FTP/1.1\r\nHost: a\r\n\r\n") == 400, "of this protocol");
    claim(parse("GET /\r\nHost: a\r\n\r\n") == 400, "which is named");
    claim(parse("PUT / HTTP/1.1\r\nHost: a\r\n\r\n") == 501, "a method that it does not know");
    claim(parse("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n") == 400, "a target that is no path");
    claim(parse("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") == 400, "a blank too many");
    claim(parse("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n") == 400, "a folded line");
    claim(parse("GET / HTTP/1.1\r\nHost : a\r\n\r\n") == 400, "a blank before the colon");
    claim(parse("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n") == 400, "a line that ends by LF alone");
    claim(parse("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n") == 400, "or by CR alone");
    claim(parse("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n") == 400, "a byte that cannot be seen");
    claim(parse("GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n") == 400, "or is not of ASCII");
    claim(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n") == 413, "a body");
    claim(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") == 413,
          "in whatever form");
    memcpy(head, "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 28);
    claim(rs_request_parse(&request, head, 28) == 400, "a zero");
}

// ---- The guard ----

static int guarded(const struct rs_guard *guard, const char *host, const char *origin,
                   const char *fetch_site)
{
    const struct rs_request r = {.host = host, .origin = origin, .fetch_site = fetch_site};

    return rs_guard_check(guard, &r);
}

static void guards(void)
{
    const struct rs_guard strict = {.host = ""};
    const struct rs_guard named = {.host = "box.example"};
    const struct rs_guard remote = {.allow_remote = true};

    claim(guarded(&strict, "127.0.0.1:6669", NULL, NULL) == 0 &&
              guarded(&strict, "127.9.9.9", NULL, NULL) == 0 &&
              guarded(&strict, "[::1]:80", NULL, NULL) == 0 &&
              guarded(&strict, "LocalHost:1", NULL, NULL) == 0,
          "this machine's addresses, and localhost, with any port");
    claim(guarded(&strict, "evil.example", NULL, NULL) == 421 &&
              guarded(&strict, "localhost.evil.example", NULL, NULL) == 421 &&
              guarded(&strict, "127.0.0.1.evil.example", NULL, NULL) == 421,
          "no other name, wherever it points");
    claim(guarded(&strict, "192.0.2.1:80", NULL, NULL) == 421 &&
              guarded(&remote, "192.0.2.1:80", NULL, NULL) == 0 &&
              guarded(&remote, "[2001:db8::1]", NULL, NULL) == 0 &&
              guarded(&remote, "evil.example", NULL, NULL) == 421,
          "other addresses where others may come, but no names");
    claim(guarded(&strict, "box.example:1", NULL, NULL) == 421 &&
              guarded(&named, "Box.Example:1", NULL, NULL) == 0,
          "a name that was allowed");
    claim(guarded(&strict, "", NULL, NULL) == 421 && guarded(&strict, ":80", NULL, NULL) == 421 &&
              guarded(&strict, "[::1", NULL, NULL) == 421 &&
              guarded(&strict, "localhost:8a", NULL, NULL) == 421 &&
              guarded(&strict, "[localhost]", NULL, NULL) == 421,
          "what is no host at all");
    claim(guarded(&strict, "localhost:1", "http://localhost:1", "same-origin") == 0,
          "its own page");
    claim(guarded(&strict, "localhost:1", "http://localhost:2", NULL) == 403 &&
              guarded(&strict, "localhost:1", "https://localhost:1", NULL) == 403 &&
              guarded(&strict, "localhost:1", "null", NULL) == 403,
          "not a page from elsewhere, nor from nowhere");
    claim(guarded(&strict, "localhost:1", NULL, "cross-site") == 403 &&
              guarded(&strict, "localhost:1", NULL, "same-site") == 403 &&
              guarded(&strict, "localhost:1", NULL, "none") == 0,
          "as the browser says");
}

static void control(void)
{
    const struct rs_guard look = {.host = ""};
    const struct rs_guard act = {.allow_control = true};
    const struct rs_request with = {.token = "1"};
    const struct rs_request without = {.token = NULL};

    claim(rs_guard_check_control(&look, &with) == 403, "control is not allowed by itself");
    claim(rs_guard_check_control(&act, &with) == 0, "it can be");
    claim(rs_guard_check_control(&act, &without) == 403, "and asks for a header even then");
}

static bool is_loopback(const char *text)
{
    struct rouse_addr addr;

    return rouse_addr_parse(&addr, text) == 0 && rs_guard_is_loopback(&addr);
}

static void listeners(void)
{
    claim(is_loopback("127.0.0.1:1") && is_loopback("127.3.2.1:1") && is_loopback("[::1]:1"),
          "addresses that only this machine reaches");
    claim(!is_loopback("0.0.0.0:1") && !is_loopback("*:1") && !is_loopback("[::]:1") &&
              !is_loopback("192.0.2.1:1"),
          "and those that others do");
}

// ---- Queries ----

static bool text_is(const char *query, const char *key, const char *wanted)
{
    char text[8];

    rs_query_text(query, key, text, sizeof text);
    return strcmp(text, wanted) == 0;
}

static void queries(void)
{
    uint64_t value;

    claim(text_is("a=1&filter=x", "filter", "x") && text_is("filter=&a=1", "filter", ""),
          "a value by its key");
    claim(text_is("xfilter=1", "filter", "") && text_is("filters=1", "filter", ""),
          "and by all of it");
    claim(text_is("f=%41+b%2F", "f", "A b/"), "it is decoded");
    claim(text_is("f=a%4", "f", "") && text_is("f=a%zz", "f", "") && text_is("f=a%00b", "f", ""),
          "unless its code is none");
    claim(text_is("f=0123456789", "f", "0123456"), "what is too long is cut off");
    claim(rs_query_number("n=7", "n", 1, 9, 5) == 7 && rs_query_number("n=70", "n", 1, 9, 5) == 9 &&
              rs_query_number("n=0", "n", 1, 9, 5) == 1 &&
              rs_query_number("n=x", "n", 1, 9, 5) == 5 &&
              rs_query_number("n=-7", "n", 1, 9, 5) == 5 && rs_query_number("", "n", 1, 9, 5) == 5,
          "a number, within its bounds");
    claim(rs_query_decimal("18446744073709551615", &value) == 0 && value == UINT64_MAX &&
              rs_query_decimal("18446744073709551616", &value) < 0 &&
              rs_query_decimal("", &value) < 0 && rs_query_decimal("1 ", &value) < 0,
          "a number of 64 bits");
}

int main(void)
{
    heads();
    refusals();
    guards();
    control();
    listeners();
    queries();
    return claims_end();
}
