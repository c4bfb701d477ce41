// SPDX-License-Identifier: MIT
//
// Two ends of a TCP connection over loopback, as bare descriptors, for tests below the sockets of
// rouse.

#ifndef TESTS_UNIT_STREAM_PAIR_H
#define TESTS_UNIT_STREAM_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void need(bool holds, const char *what)
{
    if (holds) return;
    printf("Bail out! %s failed\n", what);
    exit(1);
}

// The first one does not block.
static inline void stream_pair(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    need(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listen");
    ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(connect(ends[1], (struct sockaddr *)&address, length) == 0, "connect");
    ends[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    need(ends[0] >= 0, "accept");
    (void)close(listener);
}

static inline void stream_close(const int ends[2])
{
    (void)close(ends[0]);
    (void)close(ends[1]);
}

// Bytes that have arrived at the other end when this returns.
static inline void put(int fd, const char *bytes, size_t count)
{
    need(send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count, "send");
}

#endif
