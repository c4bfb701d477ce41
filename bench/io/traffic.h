// SPDX-License-Identifier: MIT
//
// What the load generator sends and what it must get back. All requests are alike, and so are all
// replies, but for the HTTP date. So both directions are periodic streams: requests go out from a
// buffer of copies, and a reply of any length, cut anywhere, is checked against a buffer of copies
// by one memcmp. Nothing is parsed but the one reply the rest is compared with.

#ifndef ROUSE_BENCH_IO_TRAFFIC_H
#define ROUSE_BENCH_IO_TRAFFIC_H

#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    TRAFFIC_RECV_SIZE = 65536,
    TRAFFIC_REPLY_MAX = 65536,
    TRAFFIC_PATH_MAX = 1024,
    TRAFFIC_LEARN_SECONDS = 5,
};

struct traffic {
    char *requests;  // depth + 1 copies: `depth` can be sent from within the first
    size_t request_len;
    char *replies;  // copies to cover one recv that begins anywhere in a reply
    size_t reply_len;
    size_t reply_copies;
    size_t date_from;  // in a reply: the bytes that may change; empty if equal
    size_t date_to;
};

static inline char *traffic_repeat(const char *unit, size_t len, size_t copies)
{
    char *all = malloc(len * copies);

    if (all == NULL) net_fail("malloc", ENOMEM);
    for (size_t i = 0; i < copies; i++) {
        memcpy(all + i * len, unit, len);
    }
    return all;
}

static inline void traffic_set_request(struct traffic *t, const char *unit, size_t len,
                                       size_t depth)
{
    t->requests = traffic_repeat(unit, len, depth + 1);
    t->request_len = len;
}

static inline void traffic_set_reply(struct traffic *t, const char *unit, size_t len)
{
    t->reply_len = len;
    t->reply_copies = TRAFFIC_RECV_SIZE / len + 2;
    t->replies = traffic_repeat(unit, len, t->reply_copies);
}

static inline void traffic_deinit(struct traffic *t)
{
    free(t->requests);
    free(t->replies);
}

// --- learning ------------------------------------------------------------------------------------

static inline int traffic_connect(const struct sockaddr_in *target)
{
    struct timeval patience = {.tv_sec = TRAFFIC_LEARN_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) net_fail("socket", errno);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)target, sizeof *target) < 0) {
        net_fail("connect", errno);
    }
    return fd;
}

// The value of a header in `head`, which is terminated; NULL if there is none. `name` includes the
// line break before it and the colon behind it.
static inline const char *traffic_header(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);

    if (at == NULL) return NULL;
    at += strlen(name);
    return at + strspn(at, " \t");
}

// Returns the length of the reply that begins at `text`, or 0 if its head is not complete.
static inline size_t traffic_measure(struct traffic *t, const char *text)
{
    const char *head_end = strstr(text, "\r\n\r\n");
    const char *length, *date;

    if (head_end == NULL) return 0;
    if (strncmp(text, "HTTP/1.1 200", 12) != 0) net_fail("first reply is not a 200", EPROTO);
    length = traffic_header(text, "\r\ncontent-length:");
    if (length == NULL || length > head_end) net_fail("first reply has no Content-Length", EPROTO);
    date = traffic_header(text, "\r\ndate:");
    if (date != NULL && date < head_end) {
        t->date_from = (size_t)(date - text);
        t->date_to = t->date_from + strcspn(date, "\r");
    }
    return (size_t)(head_end + 4 - text) + strtoul(length, NULL, 10);
}

// Sends one request on a connection of its own and takes the reply as the model of all others.
static inline void traffic_learn(struct traffic *t, const struct sockaddr_in *target)
{
    static char text[TRAFFIC_REPLY_MAX + 1];
    size_t have = 0, need = 0;
    int fd = traffic_connect(target);

    if (send(fd, t->requests, t->request_len, MSG_NOSIGNAL) != (ssize_t)t->request_len) {
        net_fail("first request", errno);
    }
    while (need == 0 || have < need) {
        ssize_t n = recv(fd, text + have, TRAFFIC_REPLY_MAX - have, 0);

        if (n < 0) net_fail("first reply", errno);
        if (n == 0) net_fail("first reply is cut short or too long", EPROTO);
        have += (size_t)n;
        text[have] = '\0';
        if (need == 0) need = traffic_measure(t, text);
    }
    if (have > need) net_fail("first reply is longer than its Content-Length", EPROTO);
    traffic_set_reply(t, text, need);
    close(fd);
}

static inline void traffic_init_http(struct traffic *t, const struct sockaddr_in *target,
                                     const char *path, size_t depth)
{
    char request[TRAFFIC_PATH_MAX + 64];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);

    traffic_set_request(t, request, (size_t)len, depth);
    traffic_learn(t, target);
}

static inline void traffic_init_echo(struct traffic *t, size_t bytes, size_t depth)
{
    char *message = malloc(bytes);

    if (message == NULL) net_fail("malloc", ENOMEM);
    // A period of 251, a prime, tells bytes that were shifted, lost or doubled.
    for (size_t i = 0; i < bytes; i++) {
        message[i] = (char)(i % 251 + 1);
    }
    traffic_set_request(t, message, bytes, depth);
    traffic_set_reply(t, message, bytes);
    free(message);
}

// --- checking ------------------------------------------------------------------------------------

static inline void traffic_set_date(struct traffic *t, const char *date)
{
    for (size_t i = 0; i < t->reply_copies; i++) {
        memcpy(t->replies + i * t->reply_len + t->date_from, date, t->date_to - t->date_from);
    }
}

// The slow path, once or twice a second: the bytes differ from the model. In the date they may;
// then the model gets the new one.
static inline bool traffic_check_date(struct traffic *t, size_t from, const char *data, size_t len)
{
    size_t at = from;

    for (size_t i = 0; i < len; i++) {
        bool in_date = at >= t->date_from && at < t->date_to;

        if (!in_date && data[i] != t->replies[at]) return false;
        if (in_date && at + 1 == t->date_to && i + 1 >= t->date_to - t->date_from) {
            traffic_set_date(t, data + i + 1 - (t->date_to - t->date_from));
        }
        if (++at == t->reply_len) at = 0;
    }
    return true;
}

// True if `data` continues a right reply of which `from` bytes have come before.
static inline bool traffic_check(struct traffic *t, size_t from, const char *data, size_t len)
{
    if (memcmp(t->replies + from, data, len) == 0) return true;
    return traffic_check_date(t, from, data, len);
}

#endif
