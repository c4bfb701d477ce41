// SPDX-License-Identifier: MIT
//
// What an HTTP server does, over loopback: requests that arrive in pieces or several at once, heads
// of some lines, replies of any size, connections that are kept or given up. The client knows each
// byte of the reply.

#include <errno.h>

#include "server.h"

enum {
    HEAD_MAX = 256,
    BODY_MAX = 12000,
    PIPELINE_MAX = 4,
    REQUESTS_MAX = 20,
    GIVE_UP_ONE_IN = 12,
    REPLY_MAX = HEAD_MAX + BODY_MAX,
};

static struct soak_server server;

// The reply to a request for `size` bytes. Returns its length.
static size_t reply_make(uint8_t *out, size_t size)
{
    int head = snprintf((char *)out, HEAD_MAX,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        size);

    for (size_t i = 0; i < size; i++) out[(size_t)head + i] = (uint8_t)(i * 31 + size);
    return (size_t)head + size;
}

// ---- The server ----

struct http_serve {
    struct body body;
    struct rouse_tcp *conn;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    size_t filled;
    char head[HEAD_MAX * PIPELINE_MAX];
    uint8_t reply[REPLY_MAX];
};

static void http_serve_end(void *frame)
{
    rouse_tcp_unref(((struct http_serve *)frame)->conn);
}

// The size that the first request in the buffer asks for, which is then taken out; -1: its head is
// not complete.
static long request_take(struct http_serve *f)
{
    char *end = memmem(f->head, f->filled, "\r\n\r\n", 4);

    if (end == NULL) return -1;
    size_t length = (size_t)(end - f->head) + 4;
    long size = strtol(f->head + strlen("GET /"), NULL, 10);

    f->filled -= length;
    memmove(f->head, f->head + length, f->filled);
    return size;
}

static rouse_poll http_serve(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(http_serve, frame, cx);
    for (;;) {
        long size = request_take(f);

        if (size >= 0) {
            rouse_tcp_write_all_init(&f->write, f->conn, f->reply,
                                     reply_make(f->reply, (size_t)size));
            AWAIT(&f->write.base);
            if (f->write.output < 0) break;
        } else {
            rouse_tcp_read_init(&f->read, f->conn, f->head + f->filled, sizeof f->head - f->filled);
            AWAIT(&f->read.base);
            if (f->read.output <= 0) break;
            f->filled += (size_t)f->read.output;
        }
    }
    BODY_END();
}

static int serve(struct rouse_tcp *conn)
{
    return SPAWN(NULL, http_serve, .body.end = http_serve_end, .conn = conn);
}

// ---- The client ----

struct http_client {
    struct body body;
    struct soak_actor *actor;
    struct rouse_tcp *conn;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    struct rouse_timeout timeout;
    struct rouse_yield yield;
    int left;        // requests on this connection
    int count;       // of a pipeline
    int next;        // of them, to be answered
    size_t sent;     // of the text
    size_t piece;    // of it
    bool giving_up;  // in the middle of the next reply
    size_t length;   // of the text
    size_t sizes[PIPELINE_MAX];
    char text[HEAD_MAX * PIPELINE_MAX];
    uint8_t expected[REPLY_MAX];
    uint8_t got[REPLY_MAX];
};

static void http_client_end(void *frame)
{
    rouse_tcp_unref(((struct http_client *)frame)->conn);
}

static void pipeline_begin(struct http_client *f)
{
    f->count = 1 + (int)soak_below(f->actor, PIPELINE_MAX);
    f->length = 0;
    f->sent = 0;
    for (int i = 0; i < f->count; i++) {
        f->sizes[i] = soak_below(f->actor, BODY_MAX >> soak_below(f->actor, 8));
        f->length +=
            (size_t)snprintf(f->text + f->length, HEAD_MAX,
                             "GET /%zu HTTP/1.1\r\nHost: soak\r\nAccept: */*\r\n\r\n", f->sizes[i]);
    }
    soak_operation_begin(f->actor);
}

static void piece_begin(struct http_client *f)
{
    f->piece = f->length - f->sent;
    if (soak_below(f->actor, 4) == 0) f->piece = 1 + soak_below(f->actor, f->piece);
    rouse_tcp_write_all_init(&f->write, f->conn, f->text + f->sent, f->piece);
}

static void reply_begin(struct http_client *f)
{
    size_t length = reply_make(f->expected, f->sizes[f->next]);

    f->giving_up = soak_below(f->actor, GIVE_UP_ONE_IN) == 0;
    rouse_tcp_read_exact_init(&f->read, f->conn, f->got, length);
    rouse_timeout_init(&f->timeout, &f->read.base,
                       f->giving_up ? rouse_deadline_after(soak_below(f->actor, 500000))
                                    : soak_bound());
}

// True if the reply is as it should be; else the connection is over.
static bool reply_end(struct http_client *f)
{
    size_t length = reply_make(f->expected, f->sizes[f->next]);

    if (f->timeout.output == -ETIMEDOUT) {
        if (!f->giving_up) soak_wrong("a reply did not come", -ETIMEDOUT);
        return false;
    }
    if (f->read.output != (ssize_t)length) {
        soak_wrong("a reply is cut short", f->read.output);
        return false;
    }
    if (memcmp(f->got, f->expected, length) != 0) {
        soak_wrong("a reply is not what was asked for", (int64_t)length);
        return false;
    }
    soak_bytes_add((int64_t)length);
    return true;
}

static rouse_poll http_client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(http_client, frame, cx);
    while (!soak_is_over()) {
        soak_operation_begin(f->actor);
        rouse_tcp_connect_init(&f->connect, &server.address);
        AWAIT(&f->connect.base);
        soak_operation_end(f->actor);
        if (f->connect.output < 0) {
            soak_wrong("connect", f->connect.output);
            break;
        }
        f->conn = rouse_tcp_connect_take(&f->connect);
        f->left = (int)soak_below(f->actor, REQUESTS_MAX);
        while (f->left-- > 0 && !soak_is_over()) {
            pipeline_begin(f);
            while (f->sent < f->length) {
                piece_begin(f);
                AWAIT(&f->write.base);
                if (f->write.output < 0) break;
                f->sent += f->piece;
                rouse_yield_init(&f->yield);
                AWAIT(&f->yield.base);
            }
            if (f->sent < f->length) soak_wrong("a request", f->write.output);
            for (f->next = 0; f->next < f->count; f->next++) {
                reply_begin(f);
                AWAIT(&f->timeout.base);
                if (!reply_end(f)) break;
            }
            soak_operation_end(f->actor);
            if (f->next < f->count) break;
        }
        rouse_tcp_unref(f->conn);
        f->conn = NULL;
    }
    BODY_END();
}

static int spawn(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor)
{
    return SPAWN_ON(target, handle, http_client, .body.end = http_client_end, .actor = actor);
}

static void open_server(struct rouse_runtime *runtime)
{
    soak_server_open(&server, runtime, serve);
}

static void close_server(struct rouse_runtime *runtime)
{
    soak_server_close(&server, runtime);
}

const struct soak_load SOAK_LOAD(http) = {
    .name = "http", .actors = 3, .open = open_server, .close = close_server, .spawn = spawn};
