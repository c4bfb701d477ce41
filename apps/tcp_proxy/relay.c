// SPDX-License-Identifier: MIT
//
// See relay.h. It is a frame and not a fiber, because a proxy has many connections on which nothing
// moves, and a stack for each of them is more than all else that it needs.
//
//     DIALING --connected--> CARRYING --ended, failed, idle--> over
//        |  ^                                                    ^
//        |  +-- the next upstream                                |
//        +-------------------- none is left ---------------------+
#include "relay.h"

#include <errno.h>
#include <rouse/async.h>
#include <rouse/ready.h>
#include <rouse/tcp_copy.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

enum { LINE_SIZE_MAX = 2 * ROUSE_ADDR_TEXT_MAX + 128 };

struct dial {
    struct rouse_tcp_connect connect;
    struct rouse_timeout timeout;
};

// Bytes both ways, and a timer that is put off when some have moved.
struct carry {
    struct rouse_tcp_copy_bidirectional copy;
    struct rouse_sleep idle;
    struct rouse_poll_fn either;
    uint64_t moved;
    bool is_idle;
};

struct relay {
    struct rouse_async async;
    struct proxy_worker *worker;
    struct rouse_tcp *client;    // owned
    struct rouse_tcp *upstream;  // owned; NULL until one has answered
    char *peer;                  // the client's address, for the log; NULL without one
    uint64_t start_ns;
    struct proxy_order order;
    unsigned attempt;  // that is made, or has succeeded
    bool is_carrying;
    union {
        struct dial dial;
        struct carry carry;
    };
};

static struct proxy_upstream *upstream_of(struct relay *r)
{
    return &r->worker->server->upstreams.list[r->order.which[r->attempt]];
}

// ---- The log ----

static char *put_time(char *at)
{
    time_t now = time(NULL);
    struct tm utc;

    if (gmtime_r(&now, &utc) == NULL) return app_put(at, "-");
    return at + strftime(at, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static char *put_milliseconds(char *at, uint64_t ns)
{
    uint64_t ms = ns / ROUSE_NS_PER_MS;

    at = app_put_number(at, ms / 1000);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100 % 10);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    return at;
}

// A line: when, from, to, bytes there, bytes back, seconds, how it ended.
static void log_end(struct relay *r, const char *how)
{
    struct app_line_log *log = &r->worker->log;
    char *start = r->peer != NULL ? app_line_log_room(log, LINE_SIZE_MAX) : NULL;
    char *at = start;

    if (start == NULL) return;
    at = put_time(at);
    *at++ = ' ';
    at = app_put(at, r->peer);
    *at++ = ' ';
    at = app_put(at, r->upstream != NULL ? upstream_of(r)->name : "-");
    *at++ = ' ';
    at = app_put_number(at, r->is_carrying ? r->carry.copy.forth.done : 0);
    *at++ = ' ';
    at = app_put_number(at, r->is_carrying ? r->carry.copy.back.done : 0);
    *at++ = ' ';
    at = put_milliseconds(at, rouse_now_ns() - r->start_ns);
    *at++ = ' ';
    at = app_put(at, how);
    *at++ = '\n';
    app_line_log_add(log, (size_t)(at - start));
}

static void peer_remember(struct relay *r)
{
    struct rouse_addr address;

    if (r->worker->log.fd < 0) return;
    r->peer = calloc(1, ROUSE_ADDR_TEXT_MAX);
    if (r->peer == NULL) return;
    if (rouse_tcp_peer_address(r->client, &address) < 0) {
        strcpy(r->peer, "-");  // it has gone already
    } else {
        (void)rouse_addr_format(&address, r->peer, ROUSE_ADDR_TEXT_MAX);
    }
}

// ---- Dialing ----

static void dial_begin(struct relay *r)
{
    uint64_t limit_ns = r->worker->server->options->connect_ns;

    rouse_tcp_connect_init(&r->dial.connect, &upstream_of(r)->address);
    rouse_timeout_init(&r->dial.timeout, &r->dial.connect.base, rouse_deadline_after(limit_ns));
}

// True if there is no next attempt to make: it was the right one, or none would be.
static bool dial_end(struct relay *r)
{
    int err = r->dial.timeout.output;

    if (err == 0) err = r->dial.connect.output;
    if (err == 0) r->upstream = rouse_tcp_connect_take(&r->dial.connect);
    rouse_future_drop(&r->dial.timeout.base);
    return !proxy_upstream_tried(upstream_of(r), err) || err == 0;
}

// ---- Carrying ----

static uint64_t bytes_moved(const struct rouse_tcp_copy_bidirectional *copy)
{
    return copy->forth.taken + copy->forth.done + copy->back.taken + copy->back.done;
}

// Ends with the copy, or when it has stood still for too long.
static rouse_poll carry_poll(void *arg, struct rouse_context *cx)
{
    struct relay *r = arg;
    struct carry *c = &r->carry;

    if (rouse_future_poll(&c->copy.base, cx) == ROUSE_READY) return ROUSE_READY;
    uint64_t moved = bytes_moved(&c->copy);

    if (moved != c->moved) {
        c->moved = moved;
        rouse_sleep_reset(&c->idle, rouse_deadline_after(r->worker->server->options->idle_ns));
    }
    c->is_idle = rouse_future_poll(&c->idle.base, cx) == ROUSE_READY;
    return c->is_idle ? ROUSE_READY : ROUSE_PENDING;
}

static void carry_begin(struct relay *r)
{
    struct carry *c = &r->carry;

    r->is_carrying = true;
    rouse_tcp_copy_bidirectional_init(&c->copy, r->client, r->upstream);
    rouse_sleep_init(&c->idle, r->worker->server->options->idle_ns);
    rouse_poll_fn_init(&c->either, carry_poll, r);
    c->moved = 0;
    c->is_idle = false;
}

// ---- The end ----

// Neither peer is to take what it has got for all there was.
static void reset_both(struct relay *r)
{
    rouse_tcp_reset(r->client);
    if (r->upstream != NULL) rouse_tcp_reset(r->upstream);
}

static const char *carry_end(struct relay *r)
{
    struct carry *c = &r->carry;

    rouse_future_drop(&c->idle.base);
    if (!c->is_idle) {
        if (c->copy.output == 0) return "ended";
        // What was sent to one of them has arrived; the other one did not stay for the rest.
        if (c->copy.output == -EPIPE || c->copy.output == -ENOTCONN) return "left";
    }
    rouse_future_drop(&c->copy.base);
    reset_both(r);
    return c->is_idle ? "idle" : "reset";
}

static void relay_end(struct relay *r, const char *how)
{
    log_end(r, how);
    rouse_tcp_unref(r->client);
    rouse_tcp_unref(r->upstream);
    free(r->peer);
    proxy_server_dismiss(r->worker->server);
}

static rouse_poll relay_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct relay *r = ROUSE_CONTAINER_OF(self, struct relay, async.base);

    ROUSE_ASYNC_BEGIN(&r->async, cx);
    for (r->attempt = 0; r->attempt < r->worker->server->upstreams.count; r->attempt++) {
        dial_begin(r);
        ROUSE_AWAIT(&r->dial.timeout.base);
        if (dial_end(r)) break;
    }
    if (r->upstream != NULL) {
        carry_begin(r);
        ROUSE_AWAIT(&r->carry.either.base);
        relay_end(r, carry_end(r));
    } else {
        reset_both(r);
        relay_end(r, "unanswered");
    }
    ROUSE_ASYNC_END();
}

static void relay_drop(struct rouse_future *self)
{
    struct relay *r = ROUSE_CONTAINER_OF(self, struct relay, async.base);

    rouse_async_cancel(&r->async);
    if (r->is_carrying) {
        rouse_future_drop(&r->carry.copy.base);
        rouse_future_drop(&r->carry.idle.base);
    }
    reset_both(r);
    proxy_server_cut_off(r->worker->server);
    relay_end(r, "cut");
}

static int relay_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct relay *r = (const struct relay *)self;

    if (!r->is_carrying) return rouse_async_describe(self, buf, size);
    return rouse_future_describe(&r->carry.copy.base, buf, size);
}

static const struct rouse_future_vtable relay_vtable = {
    .poll = relay_poll, .drop = relay_drop, .name = "relay", .describe = relay_describe};

// ---- Started ----

struct start {
    struct proxy_worker *worker;
    struct rouse_tcp *client;
};

static void relay_init(struct rouse_future *storage, void *arg)
{
    struct relay *r = ROUSE_CONTAINER_OF(storage, struct relay, async.base);
    const struct start *start = arg;

    rouse_async_init(&r->async, &relay_vtable);
    r->worker = start->worker;
    r->client = start->client;
    r->upstream = NULL;
    r->peer = NULL;
    r->start_ns = rouse_now_ns();
    r->is_carrying = false;
    proxy_upstreams_order(&start->worker->server->upstreams, &r->order);
    peer_remember(r);
}

void proxy_relay_start(struct proxy_worker *worker, struct rouse_tcp *client)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "relay", .pinned = true, .site = ROUSE_SITE};
    struct start start = {.worker = worker, .client = client};
    const struct rouse_future_spec spec = {
        .size = sizeof(struct relay), .init = relay_init, .arg = &start};
    struct proxy_server *server = worker->server;

    if (proxy_server_admit(server)) {
        if (rouse_scope_spawn_future_at(&server->connections, NULL, &spec, &attrs) == 0) return;
        proxy_server_dismiss(server);
    }
    rouse_tcp_reset(client);
    rouse_tcp_unref(client);
}
