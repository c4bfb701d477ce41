// SPDX-License-Identifier: MIT
//
// Linked into each program of this folder; see common.h.

#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SECONDS_MAX = 600 };

void net_fail(const char *what, int err)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(err));
    exit(EXIT_BROKEN);
}

void net_misuse(const char *option, const char *value)
{
    fprintf(stderr, "%s: bad value for %s: '%s' (see --help)\n", program_invocation_short_name,
            option, value);
    exit(EXIT_USAGE);
}

uint64_t net_parse_count(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    // strtoull() would take a sign or leading blanks.
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
        value > max) {
        net_misuse(option, text);
    }
    return value;
}

uint64_t net_parse_seconds_ns(const char *option, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0 && value <= SECONDS_MAX)) {
        net_misuse(option, text);
    }
    return (uint64_t)(value * 1e9);
}

struct sockaddr_in net_parse_loopback(const char *option, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN];

    if (colon == NULL || (size_t)(colon - text) >= sizeof host) net_misuse(option, text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) net_misuse(option, text);
    if (ntohl(address.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) net_misuse(option, text);
    address.sin_port = htons((uint16_t)net_parse_count(option, colon + 1, 0, UINT16_MAX));
    return address;
}

void net_pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) net_fail("--cpu", errno);
}

size_t net_raise_open_files(size_t max)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) net_fail("getrlimit", errno);
    limit.rlim_cur = limit.rlim_max < max ? limit.rlim_max : max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) net_fail("setrlimit", errno);
    return limit.rlim_cur;
}

uint64_t net_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
