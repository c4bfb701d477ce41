// SPDX-License-Identifier: MIT
//
// The loop of the raw servers on io_uring: one thread, one ring, one system call for each turn. A
// multishot accept and one multishot receive per connection stay in the ring; the kernel takes a
// buffer from a ring of them for each piece of input, and an echo is sent from that same buffer.
//
// What always holds:
// 1. Connections are found by descriptor. One is closed only once none of its operations is in the
//    ring, so no completion is taken for that of a later owner of the descriptor.
// 2. A connection has at most one send in the ring, and further output waits in a list: two at a
//    time could pass each other. MSG_WAITALL makes the kernel send all of it.
// 3. When buffers run out, receives end with ENOBUFS, and are begun again as buffers come back.
//    They come back as peers read, so a peer that never reads can stop all others: a server for
//    strangers would have a bound for each connection.

#ifndef ROUSE_BENCH_IO_URING_SERVER_H
#define ROUSE_BENCH_IO_URING_SERVER_H

#include "server.h"
#include "uring.h"

#include <poll.h>

enum operation { OP_ACCEPT, OP_RECV, OP_SEND, OP_STOP };

// What is to be sent, in a buffer of the ring or in memory of its own behind it.
struct output {
    struct output *next;
    const char *data;
    size_t len;
    bool is_own;
};

struct conn {
    struct output *first;  // the send in the ring
    struct output *last;
    char *held;  // input not consumed yet; NULL if none
    uint32_t held_len;
    bool receiving;
    bool starved;  // in the list of those that wait for buffers
    bool ended;    // no more is received: the peer's end, a last reply, or an error
    bool close_when_sent;
};

struct server {
    struct uring ring;
    int listener;
    int stop;  // a signalfd
    struct conn *conns;
    size_t conn_limit;
    int *starved;  // descriptors; as long as conns
    size_t starved_count;
    answer_fn *answer;
    struct output outputs[URING_BUFFERS];  // of the buffers of the ring, by their index
    char input[INPUT_MAX];
};

// --- operations ----------------------------------------------------------------------------------

static inline struct io_uring_sqe *server_entry(struct server *s, enum operation op, int fd)
{
    struct io_uring_sqe *entry = uring_entry(&s->ring);

    entry->fd = fd;
    entry->user_data = (uint64_t)op << 32 | (uint32_t)fd;
    return entry;
}

static inline void server_accept(struct server *s)
{
    struct io_uring_sqe *entry = server_entry(s, OP_ACCEPT, s->listener);

    entry->opcode = IORING_OP_ACCEPT;
    entry->ioprio = IORING_ACCEPT_MULTISHOT;
    entry->accept_flags = SOCK_CLOEXEC;
}

// POLL_FIRST: a new connection, and one that has just been read empty, has nothing to receive.
static inline void conn_receive(struct server *s, int fd)
{
    struct io_uring_sqe *entry = server_entry(s, OP_RECV, fd);

    entry->opcode = IORING_OP_RECV;
    entry->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->buf_group = URING_GROUP;
    s->conns[fd].receiving = true;
}

static inline void conn_send(struct server *s, int fd)
{
    const struct output *output = s->conns[fd].first;
    struct io_uring_sqe *entry = server_entry(s, OP_SEND, fd);

    entry->opcode = IORING_OP_SEND;
    entry->addr = (uintptr_t)output->data;
    entry->len = (uint32_t)output->len;
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static inline void server_watch_stop(struct server *s)
{
    struct io_uring_sqe *entry = server_entry(s, OP_STOP, s->stop);

    entry->opcode = IORING_OP_POLL_ADD;
    entry->poll32_events = POLLIN;
}

// --- connections ---------------------------------------------------------------------------------

static inline void output_free(struct server *s, struct output *output)
{
    if (output->is_own) {
        free(output);
    } else {
        uring_buffer_return(&s->ring, (unsigned)(output - s->outputs));
    }
}

static inline void conn_queue(struct server *s, int fd, struct output *output)
{
    struct conn *c = &s->conns[fd];

    output->next = NULL;
    if (c->first != NULL) {
        c->last->next = output;
    } else {
        c->first = output;
        conn_send(s, fd);
    }
    c->last = output;
}

static inline struct output *output_copy(const char *data, size_t len)
{
    struct output *output = malloc(sizeof *output + len);

    if (output == NULL) net_fail("malloc", ENOMEM);
    memcpy(output + 1, data, len);
    *output = (struct output){.data = (const char *)(output + 1), .len = len, .is_own = true};
    return output;
}

// Closes the connection if it has ended and nothing of it is in the ring.
static inline void conn_close_if_done(struct server *s, int fd)
{
    struct conn *c = &s->conns[fd];

    if (!c->ended || c->receiving || c->starved || c->first != NULL) return;
    free(c->held);
    *c = (struct conn){0};
    close(fd);
}

// A shutdown makes the receive that is in the ring complete.
static inline void conn_end(struct server *s, int fd)
{
    struct conn *c = &s->conns[fd];

    if (!c->ended && c->receiving) shutdown(fd, SHUT_RDWR);
    c->ended = true;
    conn_close_if_done(s, fd);
}

static inline void conn_on_sent(struct server *s, int fd, int result)
{
    struct conn *c = &s->conns[fd];
    struct output *output = c->first;
    bool broken = result < 0 || (size_t)result < output->len;

    c->first = output->next;
    output_free(s, output);
    while (broken && c->first != NULL) {
        output = c->first;
        c->first = output->next;
        output_free(s, output);
    }
    if (c->first != NULL) {
        conn_send(s, fd);
    } else if (broken || c->close_when_sent) {
        conn_end(s, fd);
    } else {
        conn_close_if_done(s, fd);
    }
}

// Keeps the input that was not consumed. Returns false if that is too much.
static inline bool conn_hold(struct conn *c, const char *rest, size_t len)
{
    char *held = NULL;

    if (len > HELD_MAX) return false;
    if (len > 0) held = bytes_copy(rest, len);
    free(c->held);
    c->held = held;
    c->held_len = (uint32_t)len;
    return true;
}

static inline void conn_on_input(struct server *s, int fd, unsigned id, size_t len)
{
    struct conn *c = &s->conns[fd];
    const char *received = uring_buffer(&s->ring, id);
    const char *input = received;
    bool holds = true;
    struct answer a;

    if (c->held_len > 0) {
        memcpy(s->input, c->held, c->held_len);
        memcpy(s->input + c->held_len, received, len);
        input = s->input;
        len += c->held_len;
    }
    a = s->answer(input, len);
    c->close_when_sent = a.close;
    holds = conn_hold(c, input + a.consumed, len - a.consumed);
    if (a.reply == received) {
        s->outputs[id] = (struct output){.data = received, .len = a.reply_len};
        conn_queue(s, fd, &s->outputs[id]);
    } else {
        uring_buffer_return(&s->ring, id);
        if (a.reply_len > 0) conn_queue(s, fd, output_copy(a.reply, a.reply_len));
    }
    if (!holds) conn_end(s, fd);
}

static inline void conn_on_received(struct server *s, int fd, const struct io_uring_cqe *cqe)
{
    struct conn *c = &s->conns[fd];
    bool has_input = cqe->res > 0;
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;

    c->receiving = more;
    if (has_input) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        s->ring.buffers_free--;
        if (c->ended || c->close_when_sent) {
            uring_buffer_return(&s->ring, id);
        } else {
            conn_on_input(s, fd, id, (size_t)cqe->res);
        }
    }
    if (more) return;
    if ((has_input || cqe->res == -ENOBUFS) && !c->ended) {
        c->starved = true;
        s->starved[s->starved_count++] = fd;
        return;
    }
    conn_end(s, fd);
}

// --- the server ----------------------------------------------------------------------------------

static inline void server_on_accepted(struct server *s, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        if ((size_t)cqe->res >= s->conn_limit) net_fail("accept", EMFILE);
        conn_receive(s, cqe->res);
    } else if (cqe->res != -ECONNABORTED) {
        net_fail("accept", -cqe->res);  // a measurement that lacks connections is worth nothing
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) server_accept(s);
}

// Begins the receives again that have ended without the end of the stream.
static inline void server_feed(struct server *s)
{
    while (s->starved_count > 0 && s->ring.buffers_free > 0) {
        int fd = s->starved[--s->starved_count];
        struct conn *c = &s->conns[fd];

        c->starved = false;
        if (c->ended) {
            conn_close_if_done(s, fd);
        } else {
            conn_receive(s, fd);
        }
    }
}

static inline void server_open(struct server *s, const struct server_options *options)
{
    struct sockaddr_in address = options->listen;

    if (options->cpu >= 0) net_pin((unsigned)options->cpu);
    s->conn_limit = net_raise_open_files(OPEN_FILES_MAX);
    s->conns = calloc(s->conn_limit, sizeof *s->conns);
    s->starved = calloc(s->conn_limit, sizeof *s->starved);
    if (s->conns == NULL || s->starved == NULL) net_fail("calloc", ENOMEM);
    uring_open(&s->ring);
    uring_buffers_open(&s->ring);
    s->stop = stop_open(options->seconds);
    s->listener = listener_open(&address);
    server_watch_stop(s);
    server_accept(s);
    listener_announce(&address);
}

static inline void server_run(struct server *s, answer_fn *answer)
{
    s->answer = answer;
    for (;;) {
        const struct io_uring_cqe *cqe;

        uring_enter(&s->ring, 1);
        while ((cqe = uring_peek(&s->ring)) != NULL) {
            int fd = (int)(uint32_t)cqe->user_data;

            switch ((enum operation)(cqe->user_data >> 32)) {
            case OP_ACCEPT:
                server_on_accepted(s, cqe);
                break;
            case OP_RECV:
                conn_on_received(s, fd, cqe);
                break;
            case OP_SEND:
                conn_on_sent(s, fd, cqe->res);
                break;
            case OP_STOP:
                return;
            }
            uring_seen(&s->ring);
        }
        server_feed(s);
    }
}

// The program ends right after, so the kernel closes what connections are left.
static inline void server_close(struct server *s)
{
    close(s->ring.fd);
    for (size_t i = 0; i < s->conn_limit; i++) {
        struct output *next;

        for (struct output *output = s->conns[i].first; output != NULL; output = next) {
            next = output->next;
            if (output->is_own) free(output);
        }
        free(s->conns[i].held);
    }
    close(s->listener);
    close(s->stop);
    free(s->starved);
    free(s->conns);
}

#endif
