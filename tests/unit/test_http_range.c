// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/range.c by a table, and against a plain definition for all small numbers.
//
// Built from this file and apps/httpd/{range,slice}.c.
#include "../../apps/httpd/range.h"
#include "../http/tap.h"

enum { WHOLE = HTTP_RANGE_WHOLE, PART = HTTP_RANGE_PART, NONE = HTTP_RANGE_UNSATISFIABLE };

static const struct {
    const char *text;
    uint64_t size;
    int kind;
    uint64_t first, count;
} rows[] = {
    {"bytes=0-499", 1000, PART, 0, 500},
    {"bytes=500-999", 1000, PART, 500, 500},
    {"bytes=500-", 1000, PART, 500, 500},
    {"bytes=-500", 1000, PART, 500, 500},
    {"bytes=-2000", 1000, PART, 0, 1000},
    {"bytes=0-0", 1000, PART, 0, 1},
    {"bytes=999-", 1000, PART, 999, 1},
    {"bytes=-1", 1000, PART, 999, 1},
    {"bytes=0-5000", 1000, PART, 0, 1000},
    {"BYTES=0-1", 1000, PART, 0, 2},
    {"bytes= 0-1", 1000, PART, 0, 2},
    {"bytes=0-18446744073709551615", 10, PART, 0, 10},
    {"bytes=0-99999999999999999999999", 10, PART, 0, 10},
    {"bytes=-99999999999999999999999", 10, PART, 0, 10},
    {"bytes=0-", 18446744073709551615u, PART, 0, 18446744073709551615u},
    {"bytes=00000000000000000000000001-2", 10, PART, 1, 2},

    {"bytes=1000-", 1000, NONE, 0, 0},
    {"bytes=1000-2000", 1000, NONE, 0, 0},
    {"bytes=-0", 1000, NONE, 0, 0},
    {"bytes=0-", 0, NONE, 0, 0},
    {"bytes=0-0", 0, NONE, 0, 0},
    {"bytes=18446744073709551616-", 10, NONE, 0, 0},
    {"bytes=99999999999999999999999-", 10, NONE, 0, 0},

    {"bytes=-5", 0, WHOLE, 0, 0},
    {"bytes=5-4", 1000, WHOLE, 0, 0},
    {"bytes=0-1,2-3", 1000, WHOLE, 0, 0},
    {"bytes=0-1,", 1000, WHOLE, 0, 0},
    {"bytes=,0-1", 1000, WHOLE, 0, 0},
    {"bytes=", 1000, WHOLE, 0, 0},
    {"bytes=-", 1000, WHOLE, 0, 0},
    {"bytes=--1", 1000, WHOLE, 0, 0},
    {"bytes=1", 1000, WHOLE, 0, 0},
    {"bytes=1-2-3", 1000, WHOLE, 0, 0},
    {"bytes=1 - 2", 1000, WHOLE, 0, 0},
    {"bytes=a-b", 1000, WHOLE, 0, 0},
    {"bytes=+1-2", 1000, WHOLE, 0, 0},
    {"bytes=0x1-2", 1000, WHOLE, 0, 0},
    {"bytes 0-1", 1000, WHOLE, 0, 0},
    {"bytes =0-1", 1000, WHOLE, 0, 0},
    {"bytes:0-1", 1000, WHOLE, 0, 0},
    {"items=0-1", 1000, WHOLE, 0, 0},
    {"0-1", 1000, WHOLE, 0, 0},
    {"", 1000, WHOLE, 0, 0},
};

static void run_table(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_range range = {0, 0};
        int kind = (int)http_range_parse(http_slice_of(rows[i].text), rows[i].size, &range);
        bool held = kind == rows[i].kind;

        if (kind == PART) held = range.first == rows[i].first && range.size == rows[i].count;
        tap_claim_of(held, "parse", rows[i].text);
    }
}

// Counts, byte by byte, what "first-last" selects of a file.
static bool span_agrees(unsigned first, unsigned last, unsigned size)
{
    struct http_range range = {0, 0};
    char text[64];
    unsigned count = 0;

    for (unsigned i = 0; i < size; i++) {
        count += i >= first && i <= last;
    }
    snprintf(text, sizeof text, "bytes=%u-%u", first, last);

    int kind = (int)http_range_parse(http_slice_of(text), size, &range);

    if (last < first) return kind == WHOLE;
    if (count == 0) return kind == NONE;
    return kind == PART && range.first == first && range.size == count;
}

static void small_spans_agree_with_counting(void)
{
    bool held = true;

    for (unsigned size = 0; size < 12; size++) {
        for (unsigned first = 0; first < 14; first++) {
            for (unsigned last = 0; last < 14; last++) {
                held = held && span_agrees(first, last, size);
            }
        }
    }
    tap_claim(held, "small_spans_agree_with_counting");
}

int main(void)
{
    run_table();
    small_spans_agree_with_counting();
    return tap_end();
}
