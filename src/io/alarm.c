// SPDX-License-Identifier: MIT
//
// The timerfd of a set.

#include "io/alarm.h"

#include <rouse/clock.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/counters.h"
#include "base/sys.h"

static int alarm_open(struct rs_alarm *alarm, int epoll_fd, const struct epoll_event *event)
{
    struct epoll_event copy = *event;
    int fd = rs_sys.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int err;

    if (fd < 0) return fd;
    err = rs_sys.epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &copy);
    if (err < 0) {
        (void)rs_sys.close(fd);
        return err;
    }
    rs_counter_add(RS_COUNTER_FDS, 1);
    alarm->fd = fd;
    return 0;
}

int rs_alarm_set(struct rs_alarm *alarm, int epoll_fd, const struct epoll_event *event,
                 uint64_t deadline_ns)
{
    struct itimerspec time = {0};  // never
    int err = 0;

    if (deadline_ns != ROUSE_NEVER) {
        if (deadline_ns == 0) deadline_ns = 1;  // 0 would mean never
        time.it_value = (struct timespec){.tv_sec = (time_t)(deadline_ns / ROUSE_NS_PER_S),
                                          .tv_nsec = (long)(deadline_ns % ROUSE_NS_PER_S)};
    }
    rs_lock(&alarm->lock);
    if (alarm->fd < 0 && deadline_ns != ROUSE_NEVER) err = alarm_open(alarm, epoll_fd, event);
    if (err == 0 && alarm->fd >= 0) {
        err = rs_sys.timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &time);
    }
    rs_unlock(&alarm->lock);
    return err;
}

void rs_alarm_close(struct rs_alarm *alarm)
{
    if (alarm->fd < 0) return;
    (void)rs_sys.close(alarm->fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}
