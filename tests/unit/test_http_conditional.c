// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/conditional.c: each row is the field lines of a request, evaluated against one
// file with a strong and then with a weak tag.
//
// Built from this file and apps/httpd/{conditional,date,request,fields,chars,slice}.c.
#include <stdlib.h>

#include "../../apps/httpd/conditional.h"
#include "../http/tap.h"

// Changed at Sun, 06 Nov 1994 08:49:37 GMT.
enum { MODIFIED = 784111777 };

#define SAME "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct {
    int strong;  // the status for a file with the tag "t"
    int weak;    // ... and with W/"t"
    const char *fields;
} rows[] = {
    {200, 200, ""},
    {304, 304, "If-None-Match: \"t\"\r\n"},
    {304, 304, "If-None-Match: W/\"t\"\r\n"},
    {304, 304, "If-None-Match: *\r\n"},
    {304, 304, "If-None-Match: \"a\", \"t\"\r\n"},
    {304, 304, "If-None-Match: \"a\",\"b,c\" ,\tW/\"t\" , \"d\"\r\n"},
    {304, 304, "If-None-Match: , ,\"t\",\r\n"},
    {304, 304, "If-None-Match: \"a\"\r\nIf-None-Match: \"t\"\r\n"},
    {200, 200, "If-None-Match: \"a\"\r\n"},
    {200, 200, "If-None-Match: \"T\"\r\n"},
    {200, 200, "If-None-Match: \"\"\r\n"},
    {200, 200, "If-None-Match:\r\n"},
    {200, 200, "If-None-Match: t\r\n"},
    {200, 200, "If-None-Match: 't'\r\n"},
    {200, 200, "If-None-Match: \"t\r\n"},
    {200, 200, "If-None-Match: w/\"t\"\r\n"},
    {200, 200, "If-None-Match: W/ \"t\"\r\n"},
    {200, 200, "If-None-Match: \"a\" \"t\"\r\n"},
    {200, 200, "If-None-Match: \"a,\"t\"\r\n"},
    {200, 200, "If-None-Match: *, \"a\"\r\n"},
    {200, 200, "If-None-Match: \"*\"\r\n"},

    {200, 412, "If-Match: \"t\"\r\n"},
    {412, 412, "If-Match: W/\"t\"\r\n"},
    {200, 200, "If-Match: *\r\n"},
    {200, 412, "If-Match: \"a\", \"t\"\r\n"},
    {200, 412, "If-Match: \"a\"\r\nIf-Match: \"t\"\r\n"},
    {412, 412, "If-Match: \"a\"\r\n"},
    {412, 412, "If-Match:\r\n"},
    {412, 412, "If-Match: t\r\n"},

    {304, 304, "If-Modified-Since: " SAME "\r\n"},
    {304, 304, "If-Modified-Since: " LATER "\r\n"},
    {200, 200, "If-Modified-Since: " EARLIER "\r\n"},
    {304, 304, "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n"},
    {304, 304, "If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n"},
    {200, 200, "If-Modified-Since: yesterday\r\n"},
    {200, 200, "If-Modified-Since:\r\n"},
    {200, 200, "If-Modified-Since: 784111777\r\n"},

    {200, 200, "If-Unmodified-Since: " SAME "\r\n"},
    {200, 200, "If-Unmodified-Since: " LATER "\r\n"},
    {412, 412, "If-Unmodified-Since: " EARLIER "\r\n"},
    {200, 200, "If-Unmodified-Since: yesterday\r\n"},

    // Which field goes before which.
    {200, 200, "If-None-Match: \"a\"\r\nIf-Modified-Since: " SAME "\r\n"},
    {304, 304, "If-None-Match: \"t\"\r\nIf-Modified-Since: " EARLIER "\r\n"},
    {200, 412, "If-Match: \"t\"\r\nIf-Unmodified-Since: " EARLIER "\r\n"},
    {412, 412, "If-Match: \"a\"\r\nIf-Unmodified-Since: " LATER "\r\n"},
    {412, 412, "If-Match: \"a\"\r\nIf-None-Match: \"t\"\r\n"},
    {304, 412, "If-Match: \"t\"\r\nIf-None-Match: \"t\"\r\n"},
    {412, 412, "If-Unmodified-Since: " EARLIER "\r\nIf-None-Match: \"t\"\r\n"},
    {304, 304, "If-Unmodified-Since: " SAME "\r\nIf-Modified-Since: " SAME "\r\n"},
};

static const struct {
    bool strong;
    bool weak;
    const char *fields;
} range_rows[] = {
    {true, true, ""},
    {true, false, "If-Range: \"t\"\r\n"},
    {false, false, "If-Range: W/\"t\"\r\n"},
    {false, false, "If-Range: \"a\"\r\n"},
    {false, false, "If-Range: \"t\", \"a\"\r\n"},
    {false, false, "If-Range: *\r\n"},
    {false, false, "If-Range:\r\n"},
    {true, false, "If-Range: " SAME "\r\n"},
    {false, false, "If-Range: " LATER "\r\n"},
    {false, false, "If-Range: " EARLIER "\r\n"},
    {false, false, "If-Range: yesterday\r\n"},
};

static struct http_validators file(bool is_weak)
{
    struct http_validators v = {.modified_s = MODIFIED, .is_weak = is_weak};

    memcpy(v.etag, is_weak ? "W/\"t\"" : "\"t\"", is_weak ? 5 : 3);
    v.etag_size = is_weak ? 5 : 3;
    return v;
}

static void parse(struct http_request *req, char *text, size_t size, const char *fields)
{
    const struct http_limits limits = HTTP_LIMITS_DEFAULT;
    int length = snprintf(text, size, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);

    *req = (struct http_request){0};
    if (http_request_parse(req, text, (size_t)length, &limits) != length) abort();
}

// The row's fields on one line, for the claim.
static const char *one_line(char *out, size_t size, const char *fields)
{
    size_t at = 0;

    for (; *fields != '\0' && at + 1 < size; fields++) {
        if (*fields == '\r') continue;
        out[at++] = *fields == '\n' ? ';' : *fields;
    }
    out[at] = '\0';
    return out;
}

static void run_tables(void)
{
    const struct http_validators strong = file(false);
    const struct http_validators weak = file(true);
    struct http_request req;
    char text[512];
    char row[200];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        parse(&req, text, sizeof text, rows[i].fields);
        one_line(row, sizeof row, rows[i].fields);
        tap_claim_of(http_conditional_evaluate(&req, &strong, MODIFIED + 99) == rows[i].strong,
                     "evaluate", row);
        tap_claim_of(http_conditional_evaluate(&req, &weak, MODIFIED + 99) == rows[i].weak,
                     "evaluate, weak", row);
    }
    for (size_t i = 0; i < sizeof range_rows / sizeof *range_rows; i++) {
        parse(&req, text, sizeof text, range_rows[i].fields);
        one_line(row, sizeof row, range_rows[i].fields);
        tap_claim_of(http_conditional_allows_range(&req, &strong, 0) == range_rows[i].strong,
                     "allows range", row);
        tap_claim_of(http_conditional_allows_range(&req, &weak, 0) == range_rows[i].weak,
                     "allows range, weak", row);
    }
}

static bool etag_is(const struct http_validators *v, const char *text)
{
    return http_slice_is((struct http_slice){v->etag, v->etag_size}, text);
}

static void validators_are_made_of_the_file(void)
{
    struct http_validators a, b;

    http_validators_make(&a, 1, 2, 255, 16, 3);
    tap_claim(etag_is(&a, "\"3b9aca02-ff-10\"") && !a.is_weak && a.modified_s == 1,
              "validators_are_made_of_the_file");
    http_validators_make(&b, 1, 2, 255, 16, 2);
    tap_claim(etag_is(&b, "W/\"3b9aca02-ff-10\"") && b.is_weak, "a_young_file_has_a_weak_tag");
    http_validators_make(&b, 1000, 2, 255, 16, 3);
    tap_claim(b.is_weak && b.modified_s == 3, "nothing_was_modified_in_the_future");
    http_validators_make(&b, -1, 999999999, UINT64_MAX, UINT64_MAX, 3);
    tap_claim(b.etag_size <= HTTP_ETAG_SIZE_MAX && b.modified_s == -1, "the_longest_tag_has_room");
}

static void each_part_changes_the_tag(void)
{
    struct http_validators v[5];
    bool held = true;

    http_validators_make(&v[0], 1, 2, 3, 4, 100);
    http_validators_make(&v[1], 2, 2, 3, 4, 100);
    http_validators_make(&v[2], 1, 3, 3, 4, 100);
    http_validators_make(&v[3], 1, 2, 4, 4, 100);
    http_validators_make(&v[4], 1, 2, 3, 5, 100);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++) {
            held = held && (v[i].etag_size != v[j].etag_size ||
                            memcmp(v[i].etag, v[j].etag, v[i].etag_size) != 0);
        }
    }
    tap_claim(held, "each_part_changes_the_tag");
}

int main(void)
{
    run_tables();
    validators_are_made_of_the_file();
    each_part_changes_the_tag();
    return tap_end();
}
