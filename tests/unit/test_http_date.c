// SPDX-License-Identifier: MIT
//
// Tests apps/httpd/date.c against the C library's calendar, and the three forms by a table.
//
// Built from this file and apps/httpd/{date,chars,slice}.c.
#include <string.h>
#include <time.h>

#include "../../apps/httpd/date.h"
#include "../http/tap.h"

static const int64_t now_s = 1700000000;  // 14 November 2023

static bool format_agrees(int64_t seconds)
{
    char ours[HTTP_DATE_SIZE + 1] = {0};
    char theirs[64];
    time_t time = (time_t)seconds;
    struct tm tm;

    http_date_format(ours, seconds);
    gmtime_r(&time, &tm);
    strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return strcmp(ours, theirs) == 0;
}

static bool format_is_read_back(int64_t seconds)
{
    char text[HTTP_DATE_SIZE];
    int64_t back;

    http_date_format(text, seconds);
    return http_date_parse((struct http_slice){text, sizeof text}, now_s, &back) && back == seconds;
}

static void every_day_of_many_years_agrees(void)
{
    bool agrees = true;
    bool returns = true;

    // From 1000 to 9999, at a time of day that moves on.
    for (int64_t day = -354000; day < 2932896; day += 1) {
        int64_t seconds = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;

        if (day % 16 != 0 && (day < 0 || day > 40000)) continue;
        agrees = agrees && format_agrees(seconds);
        returns = returns && format_is_read_back(seconds);
    }
    tap_claim(agrees, "format_agrees_with_the_c_library");
    tap_claim(returns, "what_is_formatted_is_read_back");
}

static void every_second_of_a_day_agrees(void)
{
    bool held = true;

    for (int64_t second = 0; second < 86400; second++) {
        held = held && format_agrees(second);
    }
    tap_claim(held, "every_second_of_a_day_agrees");
}

static void extreme_times_stay_inside(void)
{
    char text[HTTP_DATE_SIZE];

    http_date_format(text, INT64_MAX);
    tap_claim(memcmp(text, "Fri, 31 Dec 9999 23:59:59 GMT", sizeof text) == 0, "the end of time");
    http_date_format(text, INT64_MIN);
    tap_claim(memcmp(text, "Sat, 01 Jan 0000 00:00:00 GMT", sizeof text) == 0,
              "the beginning of time");
    http_date_format(text, -1);
    tap_claim(memcmp(text, "Wed, 31 Dec 1969 23:59:59 GMT", sizeof text) == 0, "before 1970");
}

static const struct {
    const char *text;
    int64_t seconds;  // -1: refused
} rows[] = {
    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
    {"Sun Nov  6 08:49:37 1994", 784111777},
    {"Sun Nov 16 08:49:37 1994", 784975777},
    {"Mon, 06 Nov 1994 08:49:37 GMT", 784111777},  // the wrong day: tolerated
    {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
    {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},  // a leap second
    {"Tuesday, 14-Nov-23 00:00:00 GMT", 1699920000},
    {"Monday, 01-Jan-73 00:00:00 GMT", 3250454400},  // 2073 is at most 50 years on
    {"Tuesday, 01-Jan-74 00:00:00 GMT", 126230400},  // 2074 is not: 1974
    {"", -1},
    {"Sun", -1},
    {"Sun, ", -1},
    {"Sun, 06 Nov 1994 08:49:37", -1},
    {"Sun, 06 Nov 1994 08:49:37 UTC", -1},
    {"Sun, 06 Nov 1994 08:49:37 GXT", -1},
    {"Sun, 06 Nov 1994 08:49:37 gmt", -1},
    {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
    {" Sun, 06 Nov 1994 08:49:37 GMT", -1},
    {"sun, 06 Nov 1994 08:49:37 GMT", -1},
    {"Son, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Now 1994 08:49:37 GMT", -1},
    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
    {"Sun,  6 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06 Nov 94 08:49:37 GMT", -1},
    {"Sun, 06-Nov-1994 08:49:37 GMT", -1},
    {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
    {"Thu, 31 Nov 1994 08:49:37 GMT", -1},
    {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
    {"Thu, 29 Feb 1900 00:00:00 GMT", -1},
    {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
    {"Sun, 06 Nov 1994 08:60:00 GMT", -1},
    {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
    {"Sun, 06 Nov 1994 8:49:37 GMT", -1},
    {"Sun, +6 Nov 1994 08:49:37 GMT", -1},
    {"Sunday, 06 Nov 1994 08:49:37 GMT", -1},
    {"Sun, 06-Nov-94 08:49:37 GMT", -1},
    {"Sun Nov 6 08:49:37 1994", -1},
    {"Sun Nov  6 08:49:37 1994 GMT", -1},
    {"784111777", -1},
    {"0", -1},
};

static void run_table(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t seconds = -1;
        bool is_read = http_date_parse(http_slice_of(rows[i].text), now_s, &seconds);

        tap_claim_of(is_read == (rows[i].seconds >= 0) && (!is_read || seconds == rows[i].seconds),
                     "parse", rows[i].text);
    }
}

static void clock_changes_with_the_second(void)
{
    struct http_clock clock = {0};

    http_clock_set(&clock, 0);
    tap_claim(memcmp(clock.text, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_SIZE) == 0,
              "a_fresh_clock_can_be_set_to_zero");
    http_clock_set(&clock, 784111777);
    tap_claim(memcmp(clock.text, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_SIZE) == 0 &&
                  clock.now_s == 784111777,
              "clock_changes_with_the_second");
    clock.text[0] = 'X';
    http_clock_set(&clock, 784111777);
    tap_claim(clock.text[0] == 'X', "the_same_second_costs_nothing");
}

int main(void)
{
    every_day_of_many_years_agrees();
    every_second_of_a_day_agrees();
    extreme_times_stay_inside();
    run_table();
    clock_changes_with_the_second();
    return tap_end();
}
