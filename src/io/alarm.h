// SPDX-License-Identifier: MIT
//
// A timerfd in an epoll set: makes the set's descriptor readable at a deadline, for a foreign loop.
// Made at the first use; most drivers never need it. Any thread.

#ifndef RS_IO_ALARM_H
#define RS_IO_ALARM_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/lock.h"

struct rs_alarm {
    struct rs_lock lock;
    int fd;  // -1 until the first alarm; under lock
};

#define RS_ALARM_INIT ((struct rs_alarm){.fd = -1})

// Sets the alarm to `deadline_ns`; ROUSE_NEVER takes it back. At its first time the timer is put
// into the set `epoll_fd` as `event` says.
int rs_alarm_set(struct rs_alarm *alarm, int epoll_fd, const struct epoll_event *event,
                 uint64_t deadline_ns);
void rs_alarm_close(struct rs_alarm *alarm);

#endif
