// SPDX-License-Identifier: MIT
//
// Echo over loopback: a client sends a message of random bytes while it reads what comes back, and
// compares length and checksum. Connections last for some messages; now and then a client gives up
// in the middle and closes.

#include <errno.h>

#include "server.h"

enum { MESSAGE_MAX = 48 << 10, MESSAGES_MAX = 40, HASTY_ONE_IN = 16, HASTE_NS = 1000000 };

static struct soak_server server;

struct echo_serve {
    struct body body;
    struct rouse_tcp *conn;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    uint8_t buf[4096];
};

static void echo_serve_end(void *frame)
{
    rouse_tcp_unref(((struct echo_serve *)frame)->conn);
}

// Errors are the client's to judge: one that gives up breaks the connection.
static rouse_poll echo_serve(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(echo_serve, frame, cx);
    for (;;) {
        rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        if (f->read.output <= 0) break;
        rouse_tcp_write_all_init(&f->write, f->conn, f->buf, (size_t)f->read.output);
        AWAIT(&f->write.base);
        if (f->write.output < 0) break;
    }
    BODY_END();
}

static int serve(struct rouse_tcp *conn)
{
    return SPAWN(NULL, echo_serve, .body.end = echo_serve_end, .conn = conn);
}

struct echo_client {
    struct body body;
    struct soak_actor *actor;
    struct rouse_tcp *conn;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    struct rouse_join both;
    struct rouse_timeout timeout;
    struct rouse_sleep pause;
    size_t size;
    bool hasty;
    int left;  // messages on this connection
    uint8_t *out;
    uint8_t *in;
};

static void echo_client_end(void *frame)
{
    struct echo_client *f = frame;

    rouse_tcp_unref(f->conn);
    free(f->out);
    free(f->in);
}

static void message_begin(struct echo_client *f)
{
    f->size = 1 + soak_below(f->actor, MESSAGE_MAX >> soak_below(f->actor, 12));
    for (size_t i = 0; i < f->size; i++) f->out[i] = (uint8_t)claim_random(&f->actor->random);
    f->hasty = soak_below(f->actor, HASTY_ONE_IN) == 0;
    soak_operation_begin(f->actor);
    rouse_tcp_write_all_init(&f->write, f->conn, f->out, f->size);
    rouse_tcp_read_exact_init(&f->read, f->conn, f->in, f->size);
    rouse_join_init(&f->both, &f->write.base, &f->read.base);
    rouse_timeout_init(&f->timeout, &f->both.base,
                       f->hasty ? rouse_deadline_after(soak_below(f->actor, HASTE_NS))
                                : soak_bound());
}

// True to go on with this connection.
static bool message_end(struct echo_client *f)
{
    soak_operation_end(f->actor);
    if (f->timeout.output == -ETIMEDOUT) {
        if (!f->hasty) soak_wrong("an echo did not come back", -ETIMEDOUT);
        return false;
    }
    if (f->write.output != (ssize_t)f->size || f->read.output != (ssize_t)f->size) {
        soak_wrong("a message of an echo", f->read.output);
        return false;
    }
    if (soak_checksum(f->in, f->size) != soak_checksum(f->out, f->size)) {
        soak_wrong("an echo's checksum differs", (int64_t)f->size);
        return false;
    }
    soak_bytes_add((int64_t)f->size);
    return true;
}

static rouse_poll echo_client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(echo_client, frame, cx);
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
        f->left = (int)soak_below(f->actor, MESSAGES_MAX);
        while (f->left-- > 0 && !soak_is_over()) {
            message_begin(f);
            AWAIT(&f->timeout.base);
            if (!message_end(f)) break;
            if (soak_below(f->actor, 2) == 0) continue;
            rouse_sleep_init(&f->pause, soak_below(f->actor, 4 * ROUSE_NS_PER_MS));
            AWAIT(&f->pause.base);
        }
        rouse_tcp_unref(f->conn);
        f->conn = NULL;
    }
    BODY_END();
}

static int spawn(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor)
{
    uint8_t *out = malloc(MESSAGE_MAX);
    uint8_t *in = malloc(MESSAGE_MAX);

    if (out == NULL || in == NULL) stress_must(-ENOMEM, "buffers");
    return SPAWN_ON(target, handle, echo_client, .body.end = echo_client_end, .actor = actor,
                    .out = out, .in = in);
}

static void open_server(struct rouse_runtime *runtime)
{
    soak_server_open(&server, runtime, serve);
}

static void close_server(struct rouse_runtime *runtime)
{
    soak_server_close(&server, runtime);
}

const struct soak_load SOAK_LOAD(echo) = {
    .name = "echo", .actors = 4, .open = open_server, .close = close_server, .spawn = spawn};
