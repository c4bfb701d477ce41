// SPDX-License-Identifier: MIT
//
// What poll(2) and the poll operation of io_uring share: the bits of events, and the question that
// only epoll answers by itself.

#ifndef RS_IO_POLLABLE_H
#define RS_IO_POLLABLE_H

#include <errno.h>
#include <poll.h>
#include <rouse/poller.h>
#include <sys/stat.h>

#include "base/sys.h"

static inline int rs_poll_events_of(uint32_t interest)
{
    int events = 0;

    if ((interest & ROUSE_READABLE) != 0) events |= POLLIN | POLLRDHUP;
    if ((interest & ROUSE_WRITABLE) != 0) events |= POLLOUT;
    return events;
}

static inline uint32_t rs_poll_ready_of(int revents)
{
    uint32_t ready = 0;

    if ((revents & POLLIN) != 0) ready |= ROUSE_READABLE;
    if ((revents & POLLOUT) != 0) ready |= ROUSE_WRITABLE;
    if ((revents & POLLRDHUP) != 0) ready |= ROUSE_HANGUP | ROUSE_READABLE;
    if ((revents & POLLHUP) != 0) ready |= ROUSE_HANGUP | ROUSE_READABLE | ROUSE_WRITABLE;
    if ((revents & (POLLERR | POLLNVAL)) != 0) {
        ready |= ROUSE_ERROR | ROUSE_READABLE | ROUSE_WRITABLE;
    }
    return ready;
}

// What epoll finds out by itself: files that are always ready cannot be watched.
static inline int rs_check_pollable(int fd)
{
    struct stat status;
    int err = fd >= 0 ? rs_sys.fstat(fd, &status) : -EBADF;

    if (err < 0) return err;
    return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) ? -EPERM : 0;
}

#endif
