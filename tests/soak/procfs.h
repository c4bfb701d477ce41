// SPDX-License-Identifier: MIT
//
// What the kernel says about a process, this one or another: resident memory, open descriptors,
// threads. One thread.

#ifndef TESTS_SOAK_PROCFS_H
#define TESTS_SOAK_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct procfs {
    int64_t resident_kib;
    int64_t fds;
    int64_t threads;
};

// False if the process is not there.
bool procfs_read(pid_t pid, struct procfs *out);

#endif
