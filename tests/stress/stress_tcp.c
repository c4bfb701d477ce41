// SPDX-License-Identifier: MIT
//
// TCP over loopback: clients send a pattern that each byte's place tells, in pieces of any size,
// and check what the server sends back, byte for byte. Half of the servers are fibers, half frames
// that migrate; several tasks accept on one listener. Reads and writes are given up and taken up
// again where they stopped; connections are closed under their users, and users aborted.

#include <errno.h>

#include "stress.h"

enum { CLIENTS = 12, ACCEPTORS = 3, PIECE_MAX = 40000, TOTAL_MAX = 300000 };

static struct rouse_runtime *runtime;
static struct rouse_tcp_listener *listener;
static struct rouse_addr address;
static uint64_t round_end;
static _Atomic int64_t streams;
static _Atomic int64_t complete;
static _Atomic int64_t bytes;
static _Atomic int64_t corrupt;
static _Atomic int64_t short_streams;
static _Atomic int64_t wrong;

static bool is_over(void)
{
    return rouse_now_ns() >= round_end;
}

static uint8_t pattern(uint32_t id, size_t place)
{
    uint64_t mixed = (place + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ id * UINT64_C(0xd1342543de82ef95);

    return (uint8_t)(mixed >> 29);
}

// ---- Servers: send back what comes ----

static int serve_fiber(void *arg)
{
    struct rouse_tcp *conn = arg;
    uint8_t buf[3000];
    ssize_t count;

    while ((count = rouse_tcp_read(conn, buf, sizeof buf)) > 0) {
        if (rouse_tcp_write_all(conn, buf, (size_t)count) < 0) break;
    }
    rouse_tcp_unref(conn);
    return 0;
}

struct serve {
    struct rouse_async async;
    struct rouse_tcp *conn;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    uint8_t buf[3000];
};

static rouse_poll serve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    do {
        rouse_tcp_read_init(&s->read, s->conn, s->buf, sizeof s->buf);
        ROUSE_AWAIT(&s->read.base);
        if (s->read.output <= 0) break;
        rouse_tcp_write_all_init(&s->write, s->conn, s->buf, (size_t)s->read.output);
        ROUSE_AWAIT(&s->write.base);
    } while (s->write.output >= 0);
    rouse_tcp_unref(s->conn);
    ROUSE_ASYNC_END();
}

static void serve_drop(struct rouse_future *self)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    rouse_async_cancel(&s->async);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable serve_vtable = {
    .poll = serve_poll, .drop = serve_drop, .name = "serve"};

static void serve_init(struct rouse_future *storage, void *arg)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = arg;
}

static int serve_spawn(struct rouse_tcp *conn, uint64_t *random)
{
    struct rouse_future_spec spec = {.size = sizeof(struct serve), .init = serve_init, .arg = conn};

    return stress_below(random, 2) == 0 ? rouse_spawn(NULL, serve_fiber, conn)
                                        : rouse_spawn_future(NULL, &spec);
}

// Gives up waiting now and then, so that others in the queue get what was meant for it.
static int accept_loop(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    for (;;) {
        struct rouse_tcp_accept accept;

        rouse_tcp_accept_init(&accept, listener);
        int err =
            rouse_await_until(&accept.base, rouse_deadline_after(stress_below(&random, 3000000)));
        if (err == -ETIMEDOUT) continue;
        if (err == 0) err = accept.output;
        if (err < 0) return err == -ECANCELED || err == -EBADF ? 0 : err;
        struct rouse_tcp *conn = rouse_tcp_accept_take(&accept);

        if (serve_spawn(conn, &random) < 0) rouse_tcp_unref(conn);
    }
}

// ---- Clients ----

struct stream {
    struct rouse_tcp *conn;
    uint32_t id;
    size_t total;
    uint64_t random;  // the receiver's
    uint64_t sender_random;
    bool disturbed;  // somebody may have closed or aborted it
};

static int send_stream(void *arg)
{
    struct stream *s = arg;
    uint8_t *buf = malloc(PIECE_MAX);
    size_t sent = 0;
    int err = buf != NULL ? 0 : -ENOMEM;

    while (err == 0 && sent < s->total) {
        struct rouse_tcp_write_all write;
        size_t size = 1 + stress_below(&s->sender_random, PIECE_MAX);

        if (size > s->total - sent) size = s->total - sent;
        for (size_t i = 0; i < size; i++) buf[i] = pattern(s->id, sent + i);
        rouse_tcp_write_all_init(&write, s->conn, buf, size);
        if (stress_below(&s->sender_random, 3) == 0) {
            err = rouse_await_until(&write.base,
                                    rouse_deadline_after(stress_below(&s->sender_random, 300000)));
        } else {
            err = rouse_await(&write.base);
        }
        sent += write.done;
        if (err == 0 && write.output < 0) err = (int)write.output;
        if (err == -ETIMEDOUT) err = 0;
    }
    if (err == 0) err = rouse_tcp_shutdown_write(s->conn);
    free(buf);
    return err;
}

// One read of some kind. The number of bytes, 0 at the end, or an error; -EAGAIN: nothing came.
static ssize_t receive_some(struct stream *s, uint8_t *buf)
{
    size_t size = 1 + stress_below(&s->random, PIECE_MAX);
    struct rouse_tcp_read_exact exact;
    struct rouse_tcp_read read;
    bool limited = stress_below(&s->random, 3) == 0;
    uint64_t deadline = limited ? rouse_deadline_after(stress_below(&s->random, 300000))
                                : ROUSE_NEVER;

    if (stress_below(&s->random, 3) == 0) {
        rouse_tcp_read_exact_init(&exact, s->conn, buf, size);
        int err = rouse_await_until(&exact.base, deadline);

        // What had come before it was given up counts.
        if (err == -ETIMEDOUT) return exact.done > 0 ? (ssize_t)exact.done : -EAGAIN;
        return err < 0 ? err : exact.output;
    }
    rouse_tcp_read_init(&read, s->conn, buf, size);
    int err = rouse_await_until(&read.base, deadline);

    if (err == -ETIMEDOUT) return -EAGAIN;
    return err < 0 ? err : read.output;
}

static int receive_stream(void *arg)
{
    struct stream *s = arg;
    uint8_t *buf = malloc(PIECE_MAX);
    size_t received = 0;
    ssize_t count = -ENOMEM;

    while (buf != NULL) {
        count = receive_some(s, buf);
        if (count == -EAGAIN) continue;
        if (count <= 0) break;
        for (ssize_t i = 0; i < count; i++) {
            if (buf[i] == pattern(s->id, received + (size_t)i)) continue;
            (void)stress_add(&corrupt, 1);
            break;
        }
        received += (size_t)count;
    }
    (void)stress_add(&bytes, (int64_t)received);
    if (received > s->total) (void)stress_add(&corrupt, 1);
    if (!s->disturbed) {
        (void)stress_add(&complete, 1);
        if (received != s->total || count != 0) (void)stress_add(&short_streams, 1);
    }
    free(buf);
    return 0;
}

static void disturb(struct stream *s, struct rouse_join_handle *sender,
                    struct rouse_join_handle *receiver)
{
    (void)rouse_sleep(stress_below(&s->random, 2 * ROUSE_NS_PER_MS));
    switch (stress_below(&s->sender_random, 3)) {
    case 0:
        rouse_tcp_close(s->conn);
        break;
    case 1:
        rouse_abort(sender);
        rouse_abort(receiver);
        break;
    default:
        (void)rouse_tcp_shutdown_write(s->conn);
        rouse_tcp_close(s->conn);
    }
}

static void stream_run(uint64_t *random)
{
    struct stream s = {.id = (uint32_t)claim_random(random),
                       .total = stress_below(random, TOTAL_MAX),
                       .random = stress_stream(claim_random(random)),
                       .sender_random = stress_stream(claim_random(random)),
                       .disturbed = stress_below(random, 4) == 0};
    struct rouse_join_handle sender;
    struct rouse_join_handle receiver;

    if (rouse_tcp_connect(&s.conn, &address) < 0) {
        (void)stress_add(&wrong, 1);
        return;
    }
    uint64_t disturb_random = s.random;

    stress_must(rouse_spawn(&sender, send_stream, &s), "spawn");
    stress_must(rouse_spawn(&receiver, receive_stream, &s), "spawn");
    if (s.disturbed) {
        struct stream mine = {.conn = s.conn,
                              .random = disturb_random,
                              .sender_random = stress_stream(disturb_random)};

        disturb(&mine, &sender, &receiver);
    }
    int64_t err = rouse_join(&sender);
    if (err < 0 && !s.disturbed) (void)stress_add(&wrong, 1);
    (void)rouse_join(&receiver);
    rouse_tcp_unref(s.conn);
    (void)stress_add(&streams, 1);
}

static int client(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!is_over()) stream_run(&random);
    return 0;
}

static int root(void *arg)
{
    struct rouse_join_handle clients[CLIENTS];
    struct rouse_join_handle acceptors[ACCEPTORS];
    struct rouse_addr any = rouse_addr_loopback(0);

    stress_must(rouse_tcp_listen(&listener, &any, NULL), "listen");
    stress_must(rouse_tcp_listener_address(listener, &address), "address");
    for (uintptr_t i = 0; i < ACCEPTORS; i++) {
        stress_must(rouse_spawn(&acceptors[i], accept_loop, (void *)(i + 1)), "spawn");
    }
    for (uintptr_t i = 0; i < CLIENTS; i++) {
        stress_must(rouse_spawn(&clients[i], client, (void *)(i + 1000 + 100 * (uintptr_t)arg)),
                    "spawn");
    }
    for (int i = 0; i < CLIENTS; i++) (void)rouse_join(&clients[i]);
    rouse_tcp_listener_close(listener);
    for (int i = 0; i < ACCEPTORS; i++) {
        if (rouse_join(&acceptors[i]) != 0) (void)stress_add(&wrong, 1);
    }
    rouse_tcp_listener_unref(listener);
    return 0;
}

static void round_of(unsigned workers, double share)
{
    struct rouse_stats before;
    struct rouse_join_handle handle;
    char text[128];

    rouse_stats_get(&before);
    runtime = stress_runtime(workers);
    round_end = stress_deadline(share);
    stress_must(rouse_runtime_spawn(runtime, &handle, root, (void *)(uintptr_t)workers, NULL),
                "spawn");
    stress_must(rouse_block_on(runtime, &handle.base), "block_on");
    rouse_future_drop(&handle.base);
    rouse_runtime_free(runtime);
    (void)snprintf(text, sizeof text, "%u workers: %lld streams, %lld bytes, each where it belongs",
                   workers, (long long)stress_get(&streams), (long long)stress_get(&bytes));
    claim(stress_get(&corrupt) == 0, text);
    (void)snprintf(text, sizeof text, "%lld streams that nobody disturbed came to their ends",
                   (long long)stress_get(&complete));
    claim(stress_get(&short_streams) == 0, text);
    claim(stress_get(&wrong) == 0, "nothing else went wrong");
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    round_of(1, 0.3);
    round_of(2, 0.4);
    round_of(4, 0.3);
    return claims_end();
}
