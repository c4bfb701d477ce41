// SPDX-License-Identifier: MIT
//
// Processors: the affinity mask, limited by the quota of the cgroup (v2, or v1's cpu controller).

#include "sched/cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spin.h"
#include "base/sys.h"

unsigned rs_cpus_allowed(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (rs_sys.sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

// Reads a small file; an empty string if it is not there.
static void read_file(const char *path, char *buf, size_t size)
{
    int fd = rs_sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    ssize_t n = 0;

    if (fd >= 0) {
        n = rs_sys.read(fd, buf, size - 1);
        (void)rs_sys.close(fd);
    }
    buf[n > 0 ? n : 0] = '\0';
}

static unsigned quota_count(long quota, long period)
{
    if (quota <= 0 || period <= 0) return UINT32_MAX;
    return (unsigned)((quota + period - 1) / period);
}

// The path of our cgroup below the mount, from a line "0::/path".
static void cgroup_path(char *out, size_t size)
{
    char text[512];

    read_file("/proc/self/cgroup", text, sizeof text);
    const char *line = strstr(text, "0::/");

    out[0] = '\0';
    if (line != NULL) (void)snprintf(out, size, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
}

static unsigned cgroup_count(void)
{
    char text[128];
    char group[256];
    char path[320];
    long quota;
    long period;

    cgroup_path(group, sizeof group);
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    read_file(path, text, sizeof text);
    if (text[0] == '\0') read_file("/sys/fs/cgroup/cpu.max", text, sizeof text);
    if (sscanf(text, "%ld %ld", &quota, &period) == 2) return quota_count(quota, period);
    if (text[0] != '\0') return UINT32_MAX;  // "max": no quota

    read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text);
    quota = strtol(text, NULL, 10);
    read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", text, sizeof text);
    return quota_count(quota, strtol(text, NULL, 10));
}

unsigned rs_cpus_usable(void)
{
    unsigned affinity = rs_cpus_allowed();
    unsigned quota = cgroup_count();
    unsigned count = affinity < quota ? affinity : quota;

    return count > 0 ? count : 1;
}

int rs_cpus_running_open(void)
{
    return rs_sys.openat(AT_FDCWD, "/proc/loadavg", O_RDONLY | O_CLOEXEC, 0);
}

unsigned rs_cpus_running(int fd)
{
    char text[128];
    const struct iovec all = {.iov_base = text, .iov_len = sizeof text - 1};
    ssize_t n = rs_sys.preadv(fd, &all, 1, 0);
    unsigned running;

    text[n > 0 ? n : 0] = '\0';
    return sscanf(text, "%*s %*s %*s %u/", &running) == 1 ? running : 0;
}

bool rs_cpus_is_switched_off(const char *variable)
{
    const char *text = getenv(variable);

    return text != NULL && strcmp(text, "0") == 0;
}

uint64_t rs_cpus_spin_max_ns(bool no_spin)
{
    if (no_spin || rs_cpus_is_switched_off("ROUSE_SPIN")) return 0;
    return rs_cpus_allowed() > 1 ? RS_SPIN_MAX_NS : 0;
}
