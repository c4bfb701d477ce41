// SPDX-License-Identifier: MIT
//
// The two system calls of every message: they move bytes, their errors are negative, and they go
// through the table as soon as a test has changed it.

#include "base/sys_message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"

static int calls;

static ssize_t no_recv(int fd, void *buf, size_t size, int flags)
{
    (void)fd, (void)buf, (void)size, (void)flags;
    calls++;
    return -ENOBUFS;
}

static ssize_t no_send(int fd, const void *buf, size_t size, int flags)
{
    (void)fd, (void)buf, (void)size, (void)flags;
    calls++;
    return -ENOBUFS;
}

static void bytes_are_moved(const int fds[2])
{
    char buf[16] = "";

    claim(rs_sys_recv(fds[1], buf, sizeof buf, 0) == -EAGAIN, "nothing is there yet");
    claim(rs_sys_send(fds[0], "seven b", 7, MSG_NOSIGNAL) == 7, "bytes go out");
    claim(rs_sys_recv(fds[1], buf, 3, MSG_PEEK) == 3 && memcmp(buf, "sev", 3) == 0,
          "flags and sizes are passed on");
    claim(rs_sys_recv(fds[1], buf, sizeof buf, 0) == 7 && memcmp(buf, "seven b", 7) == 0,
          "and come in");
}

static void errors_are_negative(int fd)
{
    char byte;

    errno = 0;
    claim(rs_sys_recv(-1, &byte, 1, 0) == -EBADF, "a recv says why it failed");
    claim(rs_sys_send(-1, &byte, 1, MSG_NOSIGNAL) == -EBADF, "and so does a send");
    claim(rs_sys_send(fd, NULL, 1, MSG_NOSIGNAL) == -EFAULT, "memory that is not there");
}

static void a_closed_peer_raises_no_signal(const int fds[2])
{
    (void)close(fds[1]);
    claim(rs_sys_send(fds[0], "x", 1, MSG_NOSIGNAL) == -EPIPE, "a closed peer is an error");
}

static void a_changed_table_is_asked(void)
{
    rs_sys.recv = no_recv;
    rs_sys.send = no_send;
    claim(rs_sys_recv(-1, NULL, 0, 0) == -ENOBUFS && rs_sys_send(-1, NULL, 0, 0) == -ENOBUFS &&
              calls == 2,
          "both go through the table that a test has changed");
    rs_sys.recv = rs_sys_real.recv;
    rs_sys.send = rs_sys_real.send;
    claim(rs_sys_recv(-1, NULL, 0, 0) == -EBADF && calls == 2, "and not once it is as it was");
}

int main(void)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) return 1;
    bytes_are_moved(fds);
    errors_are_negative(fds[0]);
    a_closed_peer_raises_no_signal(fds);
    a_changed_table_is_asked();
    (void)close(fds[0]);
    return claims_end();
}
