// SPDX-License-Identifier: MIT
//
// What the kernel knows about a process: the CPU time of all its threads, ended ones included, and
// its resident memory. For the load generator, about itself and about the server it measures.

#ifndef ROUSE_BENCH_IO_PROCESS_H
#define ROUSE_BENCH_IO_PROCESS_H

#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

// User and system time. This is the nanosecond sum behind /proc/PID/stat; like that one, it lags
// behind a thread that is running right now by up to one clock tick.
static inline uint64_t process_cpu_ns(pid_t pid)
{
    struct timespec used;
    clockid_t clock;
    int err = clock_getcpuclockid(pid, &clock);

    if (err != 0) net_fail("--server-pid", err);
    if (clock_gettime(clock, &used) < 0) net_fail("--server-pid", errno);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

// Reads the number after the first `format` that matches a line of /proc/PID/`name`.
static inline bool process_scan(pid_t pid, const char *name, const char *format, uint64_t *out)
{
    char path[64], line[256];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = sscanf(line, format, out) == 1;
    }
    fclose(file);
    return found;
}

// smaps_rollup counts pages one by one. statm is what is left where reading that is not allowed;
// it may be off by some pages for each core.
static inline uint64_t process_resident_bytes(pid_t pid)
{
    uint64_t value;

    if (process_scan(pid, "smaps_rollup", "Rss: %" SCNu64, &value)) return value * 1024;
    if (process_scan(pid, "statm", "%*u %" SCNu64, &value)) {
        return value * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    net_fail("--server-pid", ESRCH);
}

#endif
