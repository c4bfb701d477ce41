// SPDX-License-Identifier: MIT
//
// Reading /proc. Resident memory is counted page by page where the kernel allows it: the number in
// /proc/PID/status is kept by each processor apart and lags behind.

#include "procfs.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

// Reads the number after the first `format` that matches a line of /proc/PID/`name`.
static bool line_find(pid_t pid, const char *name, const char *format, int64_t *out)
{
    char path[64];
    char line[256];
    bool found = false;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");

    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = sscanf(line, format, out) == 1;
    }
    (void)fclose(file);
    return found;
}

// Less the one that counts them.
static int64_t fds_count(pid_t pid, bool own)
{
    char path[64];
    int64_t count = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);

    if (directory == NULL) return -1;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') count++;
    }
    (void)closedir(directory);
    return own ? count - 1 : count;
}

bool procfs_read(pid_t pid, struct procfs *out)
{
    *out = (struct procfs){0};
    if (!line_find(pid, "smaps_rollup", "Rss: %" SCNd64, &out->resident_kib) &&
        !line_find(pid, "status", "VmRSS: %" SCNd64, &out->resident_kib)) {
        return false;
    }
    out->fds = fds_count(pid, pid == getpid());
    return line_find(pid, "status", "Threads: %" SCNd64, &out->threads) && out->fds >= 0;
}
