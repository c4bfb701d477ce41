// SPDX-License-Identifier: MIT
//
// What the raw servers and the load generator share: complaints, option values, pinning, limits and
// the clock. Every program here has one thread. All of them speak over loopback only: an address
// outside 127.0.0.0/8 is a usage error.

#ifndef ROUSE_BENCH_IO_COMMON_H
#define ROUSE_BENCH_IO_COMMON_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EXIT_BROKEN = 1,  // the work failed, or an answer was wrong
    EXIT_USAGE = 2,
};

// Prints `what` and the text of `err` (a positive errno), and exits with EXIT_BROKEN.
_Noreturn void net_fail(const char *what, int err);

// Prints a complaint about `option` and its value, and exits with EXIT_USAGE.
_Noreturn void net_misuse(const char *option, const char *value);

// The values of options. A bad one ends the program through net_misuse().
uint64_t net_parse_count(const char *option, const char *text, uint64_t min, uint64_t max);
uint64_t net_parse_seconds_ns(const char *option, const char *text);
struct sockaddr_in net_parse_loopback(const char *option, const char *text);

void net_pin(unsigned cpu);

// Raises the soft limit of open files to the hard one, or to `max` if that is less. Returns the new
// limit: every descriptor is below it.
size_t net_raise_open_files(size_t max);

uint64_t net_clock_ns(void);  // monotonic

#endif
