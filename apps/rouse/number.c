// SPDX-License-Identifier: MIT
//
// See number.h. Any thread.
#include "number.h"

#include <inttypes.h>
#include <rouse/clock.h>
#include <stddef.h>
#include <stdio.h>

// Three digits that count, and no more than `unit_count` units.
static void scaled(char out[NUMBER_SIZE], double number, double step, const char *const *units,
                   size_t unit_count)
{
    size_t unit = 0;

    // What would be rounded up to a thousand is one of the next unit.
    while (unit + 1 < unit_count && number >= (unit == 0 ? step : 999.5)) {
        number /= step;
        unit++;
    }
    int decimals = unit == 0 || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;

    (void)snprintf(out, NUMBER_SIZE, "%.*f%s", decimals, number, units[unit]);
}

void number_of_count(char out[NUMBER_SIZE], double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

    scaled(out, count, 1000, units, sizeof units / sizeof units[0]);
}

void number_of_bytes(char out[NUMBER_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"B", "K", "M", "G", "T", "P", "E"};

    scaled(out, (double)bytes, 1024, units, sizeof units / sizeof units[0]);
}

void number_of_duration(char out[NUMBER_SIZE], uint64_t duration_ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};

    if (duration_ns >= 1000 * ROUSE_NS_PER_S) {
        number_of_uptime(out, duration_ns);
    } else {
        scaled(out, (double)duration_ns, 1000, units, sizeof units / sizeof units[0]);
    }
}

void number_of_uptime(char out[NUMBER_SIZE], uint64_t duration_ns)
{
    uint64_t seconds = duration_ns / ROUSE_NS_PER_S;
    uint64_t minutes = seconds / 60;
    uint64_t hours = minutes / 60;
    uint64_t days = hours / 24;

    seconds %= 60;
    minutes %= 60;
    if (days > 0) {
        (void)snprintf(out, NUMBER_SIZE, "%" PRIu64 "d %" PRIu64 ":%02" PRIu64 ":%02" PRIu64, days,
                       hours % 24, minutes, seconds);
    } else if (hours > 0) {
        (void)snprintf(out, NUMBER_SIZE, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes,
                       seconds);
    } else {
        (void)snprintf(out, NUMBER_SIZE, "%" PRIu64 ":%02" PRIu64, minutes, seconds);
    }
}
