// SPDX-License-Identifier: MIT
//
// Jails. A filter is a program for the kernel (seccomp), installed by a child before it starts any
// thread; it stays until the child ends. Limits are soft ones, so that they can be lifted again for
// the look at what is left.

#include "jail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "harness/filter.h"

enum { NOBODY = 65534 };

#define CALL(name) (SYS_##name + 1)

const struct jail jails[] = {
    {.name = "no_epoll_pwait2", .calls = {CALL(epoll_pwait2)}, .refusal = ENOSYS},
    {.name = "forbidden_epoll_pwait2", .calls = {CALL(epoll_pwait2)}, .refusal = EPERM},
    {.name = "no_io_uring", .calls = {CALL(io_uring_setup)}, .refusal = EPERM},
    {.name = "no_epoll", .calls = {CALL(epoll_create1)}, .refusal = ENOSYS},
    {.name = "no_eventfd", .calls = {CALL(eventfd2)}, .refusal = EPERM, .errors = {EPERM}},
    {.name = "no_timerfd",
     .calls = {CALL(timerfd_create), CALL(timerfd_settime)},
     .refusal = EPERM},
    {.name = "no_membarrier", .calls = {CALL(membarrier)}, .refusal = ENOSYS},
    {.name = "no_getrandom", .calls = {CALL(getrandom)}, .refusal = ENOSYS},
    {.name = "no_affinity",
     .calls = {CALL(sched_getaffinity), CALL(sched_setaffinity)},
     .refusal = EPERM},
    {.name = "no_madvise",
     .calls = {CALL(madvise), CALL(process_madvise), CALL(mincore)},
     .refusal = EPERM},
    {.name = "no_io_uring", .calls = {CALL(io_uring_setup)}, .refusal = ENOSYS},
    {.name = "forbidden_io_uring", .calls = {CALL(io_uring_enter)}, .refusal = EPERM},
    {.name = "no_file_flags",
     .calls = {CALL(preadv2), CALL(pwritev2), CALL(openat2), CALL(copy_file_range)},
     .refusal = ENOSYS},
    {.name = "old_sandbox",
     .calls = {CALL(epoll_pwait2), CALL(timerfd_create), CALL(membarrier), CALL(getrandom),
               CALL(sched_getaffinity), CALL(madvise), CALL(process_madvise), CALL(epoll_create1)},
     .refusal = EPERM},
    {.name = "descriptors", .limit = RLIMIT_NOFILE + 1, .steps = 40, .errors = {EMFILE}},
    {.name = "threads", .limit = RLIMIT_NPROC + 1, .errors = {EAGAIN}},
    {.name = "memory", .limit = RLIMIT_AS + 1, .steps = 16, .errors = {ENOMEM, EAGAIN}},
    {.name = NULL},
};

static struct rlimit before;
static unsigned limited;  // the resource, +1; 0: none

const struct jail *jail_find(const char *name)
{
    for (const struct jail *jail = jails; jail->name != NULL; jail++) {
        if (strcmp(jail->name, name) == 0) return jail;
    }
    return NULL;
}

bool jail_explains(const struct jail *jail, int err)
{
    for (int i = 0; i < JAIL_ERRORS_MAX && jail->errors[i] != 0; i++) {
        if (err == -jail->errors[i]) return true;
    }
    return false;
}

static bool filter_enter(const struct jail *jail)
{
    int calls[JAIL_CALLS_MAX];
    int count = 0;

    while (count < JAIL_CALLS_MAX && jail->calls[count] != 0) {
        calls[count] = jail->calls[count] - 1;
        count++;
    }
    return filter_install(calls, count, jail->refusal);
}

// Bytes of address space in use.
static rlim_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file == NULL) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    (void)fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

// The limit at a step; 0: not here.
static rlim_t limit_at(unsigned resource, unsigned n)
{
    switch (resource) {
    case RLIMIT_NOFILE:
        return 2 + n;  // the standard streams are open
    case RLIMIT_NPROC:
        // Root has no limit. Nobody's other processes count too; there are enough of them at 1.
        return geteuid() != 0 || setuid(NOBODY) == 0 ? 1 : 0;
    default:
        // The sanitizers need terabytes of addresses.
        return RS_ASAN || RS_TSAN ? 0 : address_space() + ((rlim_t)256 << 10 << n);
    }
}

bool jail_enter(const struct jail *jail, unsigned n)
{
    struct rlimit limit;

    // The sanitizers make these system calls for themselves.
    if (jail->limit == 0) return !RS_ASAN && !RS_TSAN && filter_enter(jail);
    unsigned resource = jail->limit - 1;

    if (getrlimit(resource, &before) < 0) return false;
    limit = before;
    limit.rlim_cur = limit_at(resource, n);
    if (limit.rlim_cur == 0) return false;
    limited = jail->limit;
    return setrlimit(resource, &limit) == 0;
}

void jail_leave(void)
{
    if (limited != 0) (void)setrlimit(limited - 1, &before);
    limited = 0;
}
