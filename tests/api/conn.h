// SPDX-License-Identifier: MIT
//
// What tests of connections under trouble share: options that the API does not have, a task that
// waits in each of the ways there are, and a stream whose every byte is known.

#ifndef TESTS_API_CONN_H
#define TESTS_API_CONN_H

#include <rouse/buffer.h>
#include <rouse/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "harness/api.h"

static inline bool has_addresses(int fd, const struct rouse_addr *local,
                                 const struct rouse_addr *peer)
{
    struct rouse_addr a = {.length = sizeof a.storage};
    struct rouse_addr b = {.length = sizeof b.storage};

    return getsockname(fd, (struct sockaddr *)&a.storage, &a.length) == 0 &&
           getpeername(fd, (struct sockaddr *)&b.storage, &b.length) == 0 &&
           rouse_addr_equal(&a, local) && rouse_addr_equal(&b, peer);
}

// The descriptor of a connection, which the API does not tell.
static inline int descriptor_of(const struct rouse_tcp *conn)
{
    struct rouse_addr local, peer;

    CHECK_EQ(rouse_tcp_local_address(conn, &local), 0);
    CHECK_EQ(rouse_tcp_peer_address(conn, &peer), 0);
    for (int fd = 0; fd < 1000; fd++) {
        if (has_addresses(fd, &local, &peer)) return fd;
    }
    CHECK(false);
    return -1;
}

static inline void set_option(const struct rouse_tcp *conn, int level, int name, int value)
{
    CHECK_EQ(setsockopt(descriptor_of(conn), level, name, &value, sizeof value), 0);
}

// ---- Waits of every kind, and how they end ----

enum wait_kind { WAIT_READ, WAIT_READABLE, WAIT_POOLED, WAIT_WRITE, WAIT_KINDS };

struct waiter {
    struct body body;
    enum wait_kind kind;
    struct rouse_tcp *conn;
    struct rouse_tcp_read read;
    struct rouse_tcp_readable readable;
    struct rouse_tcp_read_pooled pooled;
    struct rouse_tcp_write write;
    char buf[16384];
};

static inline rouse_poll waiter(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(waiter, frame, cx);
    if (f->kind == WAIT_READ) {
        rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        BODY_RETURN(f->read.output);
    }
    if (f->kind == WAIT_READABLE) {
        rouse_tcp_readable_init(&f->readable, f->conn);
        AWAIT(&f->readable.base);
        if (f->readable.output < 0) BODY_RETURN(f->readable.output);
        BODY_RETURN(rouse_tcp_try_read(f->conn, f->buf, sizeof f->buf));
    }
    if (f->kind == WAIT_POOLED) {
        rouse_tcp_read_pooled_init(&f->pooled, f->conn);
        AWAIT(&f->pooled.base);
        CHECK(f->pooled.data == NULL);
        BODY_RETURN(f->pooled.output);
    }
    do {
        rouse_tcp_write_init(&f->write, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->write.base);
    } while (f->write.output > 0);
    BODY_RETURN(f->write.output);
    BODY_END();
}

// ---- A stream whose bytes are known ----

// More than fits into both ends' buffers.
enum { BULK = 300000, PIECE = 60000 };

static inline unsigned char bulk_byte(int stream, size_t place)
{
    return (unsigned char)(place * 13 + place / 241 + (size_t)stream);
}

// Says how many bytes it was in its result, and how many writes were cut short in `partial`.
struct bulk_sender {
    struct body body;
    struct rouse_tcp *conn;
    int stream;
    size_t done;
    _Atomic int *partial;
    struct rouse_tcp_write write;
    unsigned char *piece;  // too large for a stack of which the frame is a part for a moment
};

static inline rouse_poll bulk_sender(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(bulk_sender, frame, cx);
    f->piece = malloc(PIECE);
    CHECK(f->piece != NULL);
    while (f->done < BULK) {
        size_t size = BULK - f->done < PIECE ? BULK - f->done : PIECE;

        for (size_t i = 0; i < size; i++) f->piece[i] = bulk_byte(f->stream, f->done + i);
        rouse_tcp_write_init(&f->write, f->conn, f->piece, size);
        AWAIT(&f->write.base);
        CHECK_WITHIN(f->write.output, 1, f->write.size);
        if ((size_t)f->write.output < f->write.size) count_add(f->partial, 1);
        f->done += (size_t)f->write.output;
    }
    free(f->piece);
    CHECK_EQ(rouse_tcp_shutdown_write(f->conn), 0);
    BODY_END();
}

static inline uint64_t hash_add(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

struct bulk_receiver {
    struct body body;
    struct rouse_tcp *conn;
    int stream;
    size_t done;
    uint64_t hash;
    struct rouse_tcp_read_pooled read;
};

static inline rouse_poll bulk_receiver(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(bulk_receiver, frame, cx);
    for (;;) {
        rouse_tcp_read_pooled_init(&f->read, f->conn);
        AWAIT(&f->read.base);
        CHECK(f->read.output >= 0);
        if (f->read.output == 0) break;
        f->hash = hash_add(f->hash, f->read.data, (size_t)f->read.output);
        f->done += (size_t)f->read.output;
        rouse_future_drop(&f->read.base);
    }
    uint64_t expected = 0;

    for (size_t i = 0; i < BULK; i++) {
        const unsigned char byte = bulk_byte(f->stream, i);

        expected = hash_add(expected, &byte, 1);
    }
    CHECK_EQ(f->done, BULK);
    CHECK(f->hash == expected);
    BODY_END();
}

#endif
