// SPDX-License-Identifier: MIT
//
// A TCP echo server in three styles. With fibers a connection is a function that waits; with async
// frames it is a struct and a poll function; a future written by hand is the least that it can be.
// All wait through the same futures, run on the same workers, and end on SIGINT or SIGTERM: the
// root fiber returns, and rouse_run_with() aborts and awaits every task that is left, which frees
// its connection.
//
// A connection on which nothing moves has no buffer in any of them: the first two are lent one when
// there is something to read, the third uses the stack of the worker that polls it.

#include <errno.h>
#include <getopt.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Fibers ----

static int serve_fiber(void *arg)
{
    struct rouse_tcp *conn = arg;  // taken
    void *data;
    ssize_t n;

    while ((n = rouse_tcp_read_pooled(conn, &data)) > 0) {
        n = rouse_tcp_write_all(conn, data, (size_t)n);
        rouse_buffer_free(data);
        if (n < 0) break;
    }
    rouse_tcp_unref(conn);
    return (int)n;
}

static int accept_fiber(void *arg)
{
    struct rouse_tcp_listener *listener = arg;  // taken
    struct rouse_tcp *conn;
    int err;

    while ((err = rouse_tcp_accept(listener, &conn)) == 0) {
        if (rouse_spawn(NULL, serve_fiber, conn) < 0) rouse_tcp_unref(conn);
    }
    rouse_tcp_listener_unref(listener);
    return err;
}

// ---- Async frames ----

struct serve {
    struct rouse_async async;
    struct rouse_tcp *conn;  // owned
    void *data;              // lent, while it is sent back
    ssize_t n;
    union {  // one at a time
        struct rouse_tcp_read_pooled read;
        struct rouse_tcp_write_all write;
    };
};

static rouse_poll serve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    do {
        rouse_tcp_read_pooled_init(&s->read, s->conn);
        ROUSE_AWAIT(&s->read.base);
        s->n = s->read.output;
        if (s->n <= 0) break;
        s->data = rouse_tcp_read_pooled_take(&s->read);
        rouse_tcp_write_all_init(&s->write, s->conn, s->data, (size_t)s->n);
        ROUSE_AWAIT(&s->write.base);
        s->n = s->write.output;
        rouse_buffer_free(s->data);
        s->data = NULL;
    } while (s->n > 0);
    rouse_tcp_unref(s->conn);
    ROUSE_ASYNC_END();
}

static void serve_drop(struct rouse_future *self)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    rouse_async_cancel(&s->async);
    rouse_buffer_free(s->data);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable serve_vtable = {
    .poll = serve_poll, .drop = serve_drop, .name = "serve", .describe = rouse_async_describe};

static void serve_init(struct rouse_future *storage, void *conn)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = conn;
    s->data = NULL;
}

// ---- A future by hand ----

// A connection at rest is this and no more. One that the peer does not read from is a fiber for as
// long as that lasts.
struct rest {
    struct rouse_future base;
    struct rouse_tcp_readable readable;  // owns its `conn`
};

static void rest_init(struct rouse_future *storage, void *conn);

static void spawn_future(struct rouse_tcp *conn, size_t size,
                         void (*init)(struct rouse_future *storage, void *conn))
{
    const struct rouse_future_spec spec = {.size = size, .init = init, .arg = conn};

    if (rouse_spawn_future(NULL, &spec) < 0) rouse_tcp_unref(conn);
}

// What is still to be sent.
struct backlog {
    struct rouse_tcp *conn;  // owned
    size_t size;
    char data[];
};

static int send_backlog(void *arg)
{
    struct backlog *backlog = arg;
    ssize_t n = rouse_tcp_write_all(backlog->conn, backlog->data, backlog->size);

    if (n < 0) {
        rouse_tcp_unref(backlog->conn);
    } else {
        spawn_future(backlog->conn, sizeof(struct rest), rest_init);
    }
    free(backlog);
    return 0;
}

// Takes `conn`.
static void spawn_backlog(struct rouse_tcp *conn, const char *data, size_t size)
{
    struct backlog *backlog = malloc(sizeof *backlog + size);

    if (backlog != NULL) {
        backlog->conn = conn;
        backlog->size = size;
        memcpy(backlog->data, data, size);
        if (rouse_spawn(NULL, send_backlog, backlog) == 0) return;
    }
    free(backlog);
    rouse_tcp_unref(conn);
}

// Sends back what is there. False if the connection is no longer ours.
static bool rest_echo(struct rouse_tcp *conn)
{
    char buf[16384];
    ssize_t n = rouse_tcp_try_read(conn, buf, sizeof buf);

    if (n == -EAGAIN) return true;
    ssize_t sent = n > 0 ? rouse_tcp_try_write(conn, buf, (size_t)n) : -EPIPE;

    if (sent == n) return true;
    if (sent == -EAGAIN) sent = 0;
    if (sent >= 0) {
        spawn_backlog(conn, buf + sent, (size_t)(n - sent));
    } else {
        rouse_tcp_unref(conn);
    }
    return false;
}

static rouse_poll rest_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rest *r = ROUSE_CONTAINER_OF(self, struct rest, base);
    struct rouse_tcp *conn = r->readable.conn;

    do {
        // The wait borrows the connection, which may go to a fiber now.
        rouse_future_drop(&r->readable.base);
        if (!rest_echo(conn)) return ROUSE_READY;
        rouse_tcp_readable_init(&r->readable, conn);
    } while (rouse_future_poll(&r->readable.base, cx) == ROUSE_READY);
    return ROUSE_PENDING;
}

static void rest_drop(struct rouse_future *self)
{
    struct rest *r = ROUSE_CONTAINER_OF(self, struct rest, base);

    rouse_future_drop(&r->readable.base);
    rouse_tcp_unref(r->readable.conn);
}

static int rest_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rouse_future_describe(&((const struct rest *)self)->readable.base, buf, size);
}

static const struct rouse_future_vtable rest_vtable = {
    .poll = rest_poll, .drop = rest_drop, .name = "rest", .describe = rest_describe};

static void rest_init(struct rouse_future *storage, void *conn)
{
    struct rest *r = ROUSE_CONTAINER_OF(storage, struct rest, base);

    r->base.vtable = &rest_vtable;
    rouse_tcp_readable_init(&r->readable, conn);
}

// ---- Accepting with a frame ----

struct acceptor {
    struct rouse_async async;
    struct rouse_tcp_listener *listener;  // owned
    struct rouse_tcp_accept accept;
    bool by_hand;  // connections are futures by hand, not frames
    int output;
};

static rouse_poll acceptor_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct acceptor *a = ROUSE_CONTAINER_OF(self, struct acceptor, async.base);

    ROUSE_ASYNC_BEGIN(&a->async, cx);
    for (;;) {
        rouse_tcp_accept_init(&a->accept, a->listener);
        ROUSE_AWAIT(&a->accept.base);
        a->output = a->accept.output;
        if (a->output < 0) break;
        if (a->by_hand) {
            spawn_future(rouse_tcp_accept_take(&a->accept), sizeof(struct rest), rest_init);
        } else {
            spawn_future(rouse_tcp_accept_take(&a->accept), sizeof(struct serve), serve_init);
        }
    }
    rouse_tcp_listener_unref(a->listener);
    ROUSE_ASYNC_END();
}

static void acceptor_drop(struct rouse_future *self)
{
    struct acceptor *a = ROUSE_CONTAINER_OF(self, struct acceptor, async.base);

    rouse_async_cancel(&a->async);
    rouse_tcp_listener_unref(a->listener);
}

static int64_t acceptor_result(const struct rouse_future *self)
{
    return ((const struct acceptor *)self)->output;
}

static const struct rouse_future_vtable acceptor_ended = {.name = "acceptor",
                                                          .result = acceptor_result};
static const struct rouse_future_vtable acceptor_vtable = {
    .poll = acceptor_poll,
    .drop = acceptor_drop,
    .name = "acceptor",
    .describe = rouse_async_describe,
    .ended = &acceptor_ended};

static void acceptor_init(struct rouse_future *storage, void *listener)
{
    struct acceptor *a = ROUSE_CONTAINER_OF(storage, struct acceptor, async.base);

    rouse_async_init(&a->async, &acceptor_vtable);
    a->listener = listener;
    a->by_hand = false;
}

static void acceptor_by_hand_init(struct rouse_future *storage, void *listener)
{
    acceptor_init(storage, listener);
    ROUSE_CONTAINER_OF(storage, struct acceptor, async.base)->by_hand = true;
}

// ---- The program ----

struct settings {
    const char *style;
    struct rouse_addr address;
};

static int listen_and_print(struct rouse_tcp_listener **listener, struct rouse_addr *address)
{
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = rouse_tcp_listen(listener, address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(*listener, address);
    if (err < 0) {
        rouse_tcp_listener_unref(*listener);
        return err;
    }
    rouse_addr_format(address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
    return 0;
}

// Takes `listener`.
static int spawn_acceptor(struct rouse_join_handle *task, const char *style,
                          struct rouse_tcp_listener *listener)
{
    struct rouse_future_spec frame = {
        .size = sizeof(struct acceptor),
        .init = strcmp(style, "future") == 0 ? acceptor_by_hand_init : acceptor_init,
        .arg = listener};
    int err = strcmp(style, "fiber") == 0 ? rouse_spawn(task, accept_fiber, listener)
                                          : rouse_spawn_future(task, &frame);

    if (err < 0) rouse_tcp_listener_unref(listener);
    return err;
}

// The root fiber: until a signal comes, or accepting fails.
static int echo(void *arg)
{
    struct settings *settings = arg;
    struct rouse_tcp_listener *listener;
    struct rouse_join_handle acceptor;
    struct rouse_signal interrupt, terminate;
    struct rouse_select_all first;
    struct rouse_future *arms[] = {&interrupt.base, &terminate.base, &acceptor.base};

    rouse_signal_init(&interrupt, SIGINT);
    rouse_signal_init(&terminate, SIGTERM);
    int err = listen_and_print(&listener, &settings->address);

    if (err == 0) err = spawn_acceptor(&acceptor, settings->style, listener);
    if (err < 0) {
        rouse_future_drop(&interrupt.base);
        rouse_future_drop(&terminate.base);
        return err;
    }
    rouse_abort_on_drop(&acceptor);  // which the select does, unless it wins
    rouse_select_all_init(&first, arms, 3, ROUSE_SELECT_FAIR);
    err = rouse_await(&first.base);
    if (err == 0) err = (int)rouse_future_result(arms[first.output]);
    rouse_future_drop(&first.base);
    return err < 0 ? err : 0;
}

static void usage(FILE *to)
{
    fputs("Usage: echo [--style fiber|async|future] [--listen ADDRESS:PORT] [--workers N]\n"
          "Sends back what it receives, until SIGINT or SIGTERM.\n"
          "\n"
          "  --style STYLE          fiber (default), async or future\n"
          "  --listen ADDRESS:PORT  default 127.0.0.1:7777; port 0 takes a free one\n"
          "  --workers N            threads; default: as many as cores\n"
          "  --help                 this text\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"style", required_argument, NULL, 's'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct rouse_runtime_options runtime = {
        .size = sizeof runtime, .handle_faults = true, .dump_on_sigquit = true};
    struct settings settings = {.style = "fiber", .address = rouse_addr_loopback(7777)};
    bool bad = false;
    char *end;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 's') settings.style = optarg;
        if (option == 'l') bad |= rouse_addr_parse(&settings.address, optarg) < 0;
        if (option == 'w') {
            runtime.workers = (unsigned)strtoul(optarg, &end, 10);
            bad |= *end != '\0' || runtime.workers == 0;
        }
        bad |= option == '?';
    }
    bad |= strcmp(settings.style, "fiber") != 0 && strcmp(settings.style, "async") != 0 &&
           strcmp(settings.style, "future") != 0;
    if (bad || optind != argc) return usage(stderr), 2;
    int err = rouse_run_with(echo, &settings, &runtime);

    if (err < 0) fprintf(stderr, "echo: %s\n", rouse_strerror(err));
    return err < 0;
}
