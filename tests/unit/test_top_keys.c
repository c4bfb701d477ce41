// SPDX-License-Identifier: MIT
//
// Keys as a terminal sends them, and what is asked of a console: addresses, orders, requests.

#include "keys.h"

#include <string.h>

#include "claim.h"
#include "query.h"
#include "target.h"

// ---- Keys ----

static bool is_key(const char *bytes, key_kind kind, const char *text, size_t size)
{
    struct key key;

    return key_read(&key, bytes, strlen(bytes), true) == size && key.kind == kind &&
           strcmp(key.text, text) == 0;
}

// Not whole yet, but all that comes.
static bool is_part(const char *bytes)
{
    struct key key;

    return key_read(&key, bytes, strlen(bytes), false) == 0 &&
           key_read(&key, bytes, strlen(bytes), true) > 0;
}

static void keys(void)
{
    claim(is_key("qs", KEY_TEXT, "q", 1) && is_key(" ", KEY_TEXT, " ", 1) &&
              is_key("\xc3\xa4x", KEY_TEXT, "\xc3\xa4", 2),
          "characters are taken one by one");
    claim(is_key("\r", KEY_ENTER, "", 1) && is_key("\x7f", KEY_BACKSPACE, "", 1) &&
              is_key("\b", KEY_BACKSPACE, "", 1) && is_key("\x03", KEY_CONTROL, "c", 1),
          "keys that are one control character");
    claim(is_key("\033[A", KEY_UP, "", 3) && is_key("\033OB", KEY_DOWN, "", 3) &&
              is_key("\033[Cx", KEY_RIGHT, "", 3) && is_key("\033[5~", KEY_PAGE_UP, "", 4) &&
              is_key("\033[F", KEY_END, "", 3),
          "keys that are sequences, of both kinds");
    claim(is_key("\033[1;5Aq", KEY_OTHER, "", 6) && is_key("\033[200~", KEY_OTHER, "", 6),
          "others are skipped whole");
    claim(is_key("\033", KEY_ESCAPE, "", 1) && is_key("\033q", KEY_ESCAPE, "", 1),
          "an escape before anything else is one");
    claim(is_part("\033") && is_part("\033[") && is_part("\033[1") && is_part("\xe2\x82"),
          "the begin of a key waits for the rest");
    claim(is_key("\xff\xff", KEY_OTHER, "", 1), "a byte that is no character is skipped");
}

// ---- Addresses ----

static bool target_is(const char *text, const char *host, const char *service, const char *name)
{
    struct target target;

    return target_parse(&target, text) && strcmp(target.host, host) == 0 &&
           strcmp(target.service, service) == 0 && strcmp(target.name, name) == 0;
}

static bool is_no_target(const char *text)
{
    struct target target;

    return !target_parse(&target, text);
}

static void targets(void)
{
    claim(target_is("127.0.0.1:6669", "127.0.0.1", "6669", "127.0.0.1:6669") &&
              target_is("localhost:80", "localhost", "80", "localhost:80"),
          "addresses and names");
    claim(target_is("http://127.0.0.1:6669/", "127.0.0.1", "6669", "127.0.0.1:6669"),
          "a URL as the log has it");
    claim(target_is("[::1]:6669", "::1", "6669", "[::1]:6669"), "IPv6 in brackets");
    claim(target_is("6669", "127.0.0.1", "6669", "127.0.0.1:6669") &&
              target_is(":6669", "127.0.0.1", "6669", "127.0.0.1:6669") &&
              target_is("*:6669", "127.0.0.1", "6669", "127.0.0.1:6669") &&
              target_is("0.0.0.0:6669", "127.0.0.1", "6669", "127.0.0.1:6669"),
          "no host, or all of them, is this machine");
    claim(is_no_target("") && is_no_target("localhost") && is_no_target("h:0") &&
              is_no_target("h:65536") && is_no_target("h:80x") && is_no_target("[::1:80") &&
              is_no_target("a b:80") && is_no_target("h\r\n:80") && is_no_target("[:80"),
          "what is no address is refused");
}

// ---- Requests ----

static void requests(void)
{
    static const char head[] =
        "GET /events?tasks=100&sort=-busy&filter=a%26b%3Dc%20%22%C3%A4%22%0D%0A&period=500 "
        "HTTP/1.1\r\nHost: [::1]:80\r\n";
    struct query query = {.period_ms = 500, .tasks = 100, .filter = "a&b=c \"\xc3\xa4\"\r\n"};
    char request[QUERY_REQUEST_SIZE];
    struct query_order order;
    struct target target;

    claim(query_order_parse(&query.order, "-busy") && query.order.key == QUERY_BUSY &&
              query.order.is_falling && query_order_parse(&order, "name") && !order.is_falling,
          "orders are read");
    claim(!query_order_parse(&order, "busy ") && !query_order_parse(&order, "--busy") &&
              !query_order_parse(&order, ""),
          "what is none is refused");
    claim(query_order_of(QUERY_NAME).is_falling == false && query_order_of(QUERY_IDLE).is_falling,
          "names rise, times fall");
    (void)target_parse(&target, "[::1]:80");
    size_t size = query_request(request, &query, &target);

    claim(size == strlen(request) && strncmp(request, head, sizeof head - 1) == 0 &&
              strcmp(request + size - 4, "\r\n\r\n") == 0,
          "a filter cannot change the request");

    struct query longest = {.period_ms = UINT32_MAX, .tasks = UINT32_MAX};

    memset(longest.filter, '\xff', sizeof longest.filter - 1);
    claim(query_request(request, &longest, &target) < QUERY_REQUEST_SIZE,
          "the longest filter has room");
}

int main(void)
{
    keys();
    targets();
    requests();
    return claims_end();
}
