// SPDX-License-Identifier: MIT
//
// The loop of the raw servers on epoll, with nothing between them and the kernel: one thread, one
// edge-triggered epoll, one recv and one send per event. A program gives it a function from input
// bytes to reply bytes.
//
// What always holds:
// 1. Connections are found by descriptor, in one table as long as the limit of open files.
// 2. A read shorter than asked has emptied the socket: what comes later raises a new edge. Only the
//    end of the stream does not show in the length, so EPOLLRDHUP makes us read on until it.
// 3. A connection with unsent output is not read. What it missed is made up for by reading until
//    the socket is empty once the output is gone.
// 4. Descriptors in one batch of events differ, so closing one leaves no stale event behind it.

#ifndef ROUSE_BENCH_IO_EPOLL_SERVER_H
#define ROUSE_BENCH_IO_EPOLL_SERVER_H

#include "server.h"

#include <sys/epoll.h>

enum {
    READS_PER_EVENT = 16,  // then others get their turn
    EVENTS_MAX = 512,
    ACCEPTS_PER_EVENT = 256,
    CONN_EVENTS = EPOLLIN | EPOLLRDHUP,  // and EPOLLET, which does not fit an int
};

struct conn {
    char *held;    // input not consumed yet; NULL if none
    char *unsent;  // output the socket had no room for; NULL if none
    uint32_t held_len;
    uint32_t unsent_len;
    uint32_t unsent_from;
    bool close_when_sent;
    bool watches_room;  // EPOLLOUT is asked for from the first short send on, for good
};

struct server {
    int epoll;
    int listener;
    int stop;  // a signalfd
    struct conn *conns;
    size_t conn_limit;
    char input[INPUT_MAX];
};

// --- connections ---------------------------------------------------------------------------------

static inline void conn_close(struct server *s, int fd)
{
    struct conn *c = &s->conns[fd];

    free(c->held);
    free(c->unsent);
    *c = (struct conn){0};
    close(fd);  // which also takes it out of the epoll
}

// Whatever the socket is ready for at this moment becomes an edge again.
static inline void conn_rearm(struct server *s, int fd)
{
    struct epoll_event event = {.events = CONN_EVENTS | EPOLLET, .data.fd = fd};

    if (s->conns[fd].watches_room) event.events |= EPOLLOUT;
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event) < 0) net_fail("epoll_ctl", errno);
}

// Returns false if the connection is broken.
static inline bool conn_send(struct server *s, int fd, const char *data, size_t len)
{
    struct conn *c = &s->conns[fd];
    ssize_t n;

    if (len == 0) return true;
    n = send(fd, data, len, MSG_NOSIGNAL);
    if (n == (ssize_t)len) return true;
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) n = 0;

    c->unsent_len = (uint32_t)(len - (size_t)n);
    c->unsent_from = 0;
    c->unsent = bytes_copy(data + n, c->unsent_len);
    if (!c->watches_room) {
        c->watches_room = true;
        conn_rearm(s, fd);
    }
    return true;
}

// Returns false if the connection is broken.
static inline bool conn_flush(struct conn *c, int fd)
{
    ssize_t n = send(fd, c->unsent + c->unsent_from, c->unsent_len, MSG_NOSIGNAL);

    if (n < 0) return errno == EAGAIN;
    c->unsent_from += (uint32_t)n;
    c->unsent_len -= (uint32_t)n;
    if (c->unsent_len == 0) {
        free(c->unsent);
        c->unsent = NULL;
    }
    return true;
}

// Keeps the input that was not consumed. Returns false if that is too much.
static inline bool conn_hold(struct conn *c, const char *rest, size_t len)
{
    free(c->held);
    c->held = NULL;
    c->held_len = 0;
    if (len > HELD_MAX) return false;
    if (len == 0) return true;
    c->held = bytes_copy(rest, len);
    c->held_len = (uint32_t)len;
    return true;
}

// Returns false if the connection is to be closed. `until_empty`: a short read is not the last.
static inline bool conn_read(struct server *s, int fd, answer_fn *answer, bool until_empty)
{
    struct conn *c = &s->conns[fd];

    for (int i = 0; i < READS_PER_EVENT; i++) {
        struct answer a;
        size_t len;
        ssize_t n = recv(fd, s->input + c->held_len, RECV_SIZE, 0);

        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        if (c->held_len > 0) memcpy(s->input, c->held, c->held_len);
        len = c->held_len + (size_t)n;

        a = answer(s->input, len);
        if (!conn_send(s, fd, a.reply, a.reply_len)) return false;
        if (a.close && c->unsent_len == 0) return false;
        c->close_when_sent = a.close;
        if (!conn_hold(c, s->input + a.consumed, len - a.consumed)) return false;
        if (c->unsent_len > 0) return true;
        if (n < RECV_SIZE && !until_empty) return true;
    }
    conn_rearm(s, fd);
    return true;
}

static inline void conn_on_event(struct server *s, int fd, answer_fn *answer, uint32_t events)
{
    struct conn *c = &s->conns[fd];
    bool until_empty = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (c->unsent_len > 0) {
        bool broken = !conn_flush(c, fd);

        if (!broken && c->unsent_len > 0) return;
        if (broken || c->close_when_sent) {
            conn_close(s, fd);
            return;
        }
        until_empty = true;
    }
    if (!conn_read(s, fd, answer, until_empty)) conn_close(s, fd);
}

// --- the server ----------------------------------------------------------------------------------

static inline void server_accept(struct server *s)
{
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct epoll_event event = {.events = CONN_EVENTS | EPOLLET};
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && errno == EAGAIN) return;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            net_fail("accept", errno);  // a measurement that lacks connections is worth nothing
            if (fd < 0) continue;       // the peer gave up before we came
            if ((size_t)fd >= s->conn_limit) net_fail("accept", EMFILE);
        }
        event.data.fd = fd;
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0) net_fail("epoll_ctl", errno);
    }
}

static inline void server_watch(struct server *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};  // level-triggered

    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0) net_fail("epoll_ctl", errno);
}

static inline void server_open(struct server *s, const struct server_options *options)
{
    struct sockaddr_in address = options->listen;

    if (options->cpu >= 0) net_pin((unsigned)options->cpu);
    s->conn_limit = net_raise_open_files(OPEN_FILES_MAX);
    s->conns = calloc(s->conn_limit, sizeof *s->conns);
    if (s->conns == NULL) net_fail("calloc", ENOMEM);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0) net_fail("epoll_create1", errno);
    s->stop = stop_open(options->seconds);
    s->listener = listener_open(&address);
    server_watch(s, s->stop);
    server_watch(s, s->listener);
    listener_announce(&address);
}

static inline void server_run(struct server *s, answer_fn *answer)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS_MAX, -1);

        if (n < 0 && errno != EINTR) net_fail("epoll_wait", errno);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd == s->stop) return;
            if (fd == s->listener) {
                server_accept(s);
            } else {
                conn_on_event(s, fd, answer, events[i].events);
            }
        }
    }
}

// The program ends right after, so the kernel closes what connections are left.
static inline void server_close(struct server *s)
{
    for (size_t i = 0; i < s->conn_limit; i++) {
        free(s->conns[i].held);
        free(s->conns[i].unsent);
    }
    close(s->listener);
    close(s->stop);
    close(s->epoll);
    free(s->conns);
}

#endif
