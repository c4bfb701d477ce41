// SPDX-License-Identifier: MIT
//
// See descriptors.h. Called once, before the first connection.
#include "common/descriptors.h"

#include <stdio.h>
#include <sys/resource.h>

#include "common/complain.h"

enum {
    RESERVE = 32,             // standard streams, the log, epoll, and what loads are under way
    RESERVE_PER_WORKER = 80,  // listeners, the driver, and what is kept open for later
};

unsigned app_descriptors_room(unsigned wanted, unsigned each, unsigned workers)
{
    rlim_t reserve = RESERVE + RESERVE_PER_WORKER * (rlim_t)workers;
    struct rlimit limit;
    rlim_t room;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return wanted;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    room = limit.rlim_cur > 2 * reserve ? limit.rlim_cur - reserve : limit.rlim_cur / 2;
    room /= each;
    if (wanted > room) {
        (void)fprintf(stderr,
                      "%s: the limit of open files leaves room for %llu connections, not %u; "
                      "raise it (ulimit -n)\n",
                      app_name, (unsigned long long)room, wanted);
    }
    return wanted > 0 && wanted < room ? wanted : (unsigned)room;
}
