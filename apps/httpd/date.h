// SPDX-License-Identifier: MIT
//
// The dates of HTTP: seconds since 1970 in UTC, to text and back. No locale, no time zone data, no
// state; the caller says what time it is.
#ifndef HTTPD_DATE_H
#define HTTPD_DATE_H

#include <stdint.h>

#include "slice.h"

enum { HTTP_DATE_SIZE = 29 };  // "Sun, 06 Nov 1994 08:49:37 GMT"

// Writes exactly HTTP_DATE_SIZE bytes and no zero. Years outside 0..9999 are moved to that range.
void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds);

// Reads any of the three forms a server must understand (RFC 9110, 5.6.7):
//     Sun, 06 Nov 1994 08:49:37 GMT       Sunday, 06-Nov-94 08:49:37 GMT
//     Sun Nov  6 08:49:37 1994
// A year of two digits is the latest that is at most 50 years after `now_s`. The name of the day
// must be a name of a day; whether it is the right one is not looked at.
bool http_date_parse(struct http_slice text, int64_t now_s, int64_t *seconds);

// The text of the current date, made once per second.
struct http_clock {
    int64_t now_s;
    char text[HTTP_DATE_SIZE];
};

// Call with the current time as often as is convenient. An all-zero clock has no text yet.
void http_clock_set(struct http_clock *clock, int64_t now_s);

#endif
