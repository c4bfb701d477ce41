// SPDX-License-Identifier: MIT
//
// An echo server of rouse, in both styles, that does what the raw ones do: one read and one write
// for each message, with a buffer that is lent while there is data, or, with --buffer, with one for
// each connection. With --busy-ms a task of the same style computes beside the connections, so long
// at a time, and yields in between: what that does to the others' latency is what the option is
// for.

#include "common.h"

#include <getopt.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "root.h"

enum { BUFFER_MAX = 65536, BUSY_MS_MAX = 1000, OPEN_FILES_MAX = 1 << 20 };

static struct settings {
    bool with_futures;  // instead of fibers
    struct rouse_addr address;
    unsigned workers;
    size_t buffer_size;  // 0: lent
    uint64_t busy_ns;
} settings;

static void compute(void)
{
    uint64_t until = net_clock_ns() + settings.busy_ns;

    while (net_clock_ns() < until) {
    }
}

// ---- Fibers ----

static int serve_fiber_lent(void *conn)
{
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

static int serve_fiber(void *conn)
{
    char *buf = malloc(settings.buffer_size);
    ssize_t n = -ENOMEM;

    while (buf != NULL && (n = rouse_tcp_read(conn, buf, settings.buffer_size)) > 0) {
        n = rouse_tcp_write_all(conn, buf, (size_t)n);
        if (n < 0) break;
    }
    free(buf);
    rouse_tcp_unref(conn);
    return (int)n;
}

static int compute_fiber(void *arg)
{
    int err;

    (void)arg;
    do {
        compute();
        err = rouse_yield();
    } while (err == 0);
    return err;
}

// ---- Async frames ----

struct serve {
    struct rouse_async async;
    struct rouse_tcp *conn;  // owned
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char *buf;  // owned
};

static rouse_poll serve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    s->buf = malloc(settings.buffer_size);
    while (s->buf != NULL) {
        rouse_tcp_read_init(&s->read, s->conn, s->buf, settings.buffer_size);
        ROUSE_AWAIT(&s->read.base);
        if (s->read.output <= 0) break;
        rouse_tcp_write_all_init(&s->write, s->conn, s->buf, (size_t)s->read.output);
        ROUSE_AWAIT(&s->write.base);
        if (s->write.output < 0) break;
    }
    free(s->buf);
    rouse_tcp_unref(s->conn);
    ROUSE_ASYNC_END();
}

static void serve_drop(struct rouse_future *self)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    rouse_async_cancel(&s->async);
    free(s->buf);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable serve_vtable = {
    .poll = serve_poll, .drop = serve_drop, .name = "serve", .describe = rouse_async_describe};

static void serve_init(struct rouse_future *storage, void *conn)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = conn;
    s->buf = NULL;
}

// ---- A future by hand ----

// The same with a lent buffer. A connection that waits is this and no more; what the socket does
// not take at once is the work of another task.
struct rest {
    struct rouse_future base;
    struct rouse_tcp_read_pooled read;  // owns its `conn`
};

static void rest_init(struct rouse_future *storage, void *conn);
static void flush_init(struct rouse_future *storage, void *message);

// What is to be sent, and where it came from.
struct message {
    struct rouse_tcp *conn;  // owned
    void *data;              // owned
    size_t size;
    size_t sent;
};

static void spawn_rest(struct rouse_tcp *conn)
{
    const struct rouse_future_spec spec = {
        .size = sizeof(struct rest), .init = rest_init, .arg = conn};

    if (rouse_spawn_future(NULL, &spec) < 0) rouse_tcp_unref(conn);
}

struct flush {
    struct rouse_async async;
    struct message message;
    struct rouse_tcp_write_all write;
};

static rouse_poll flush_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct flush *f = ROUSE_CONTAINER_OF(self, struct flush, async.base);
    struct message *m = &f->message;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    rouse_tcp_write_all_init(&f->write, m->conn, (char *)m->data + m->sent, m->size - m->sent);
    ROUSE_AWAIT(&f->write.base);
    rouse_buffer_free(m->data);
    if (f->write.output < 0) {
        rouse_tcp_unref(m->conn);
    } else {
        spawn_rest(m->conn);
    }
    ROUSE_ASYNC_END();
}

static void flush_drop(struct rouse_future *self)
{
    struct flush *f = ROUSE_CONTAINER_OF(self, struct flush, async.base);

    rouse_async_cancel(&f->async);
    rouse_buffer_free(f->message.data);
    rouse_tcp_unref(f->message.conn);
}

static const struct rouse_future_vtable flush_vtable = {
    .poll = flush_poll, .drop = flush_drop, .name = "flush", .describe = rouse_async_describe};

static void flush_init(struct rouse_future *storage, void *message)
{
    struct flush *f = ROUSE_CONTAINER_OF(storage, struct flush, async.base);

    rouse_async_init(&f->async, &flush_vtable);
    f->message = *(const struct message *)message;
}

// False if the connection is no longer ours.
static bool answer(struct message *m)
{
    const struct rouse_future_spec spec = {
        .size = sizeof(struct flush), .init = flush_init, .arg = m};
    ssize_t sent = m->size > 0 ? rouse_tcp_try_write(m->conn, m->data, m->size) : -EPIPE;

    if (sent == (ssize_t)m->size) {
        rouse_buffer_free(m->data);
        return true;
    }
    if (sent == -EAGAIN) sent = 0;
    if (sent >= 0) {
        m->sent = (size_t)sent;
        if (rouse_spawn_future(NULL, &spec) == 0) return false;
    }
    rouse_buffer_free(m->data);
    rouse_tcp_unref(m->conn);
    return false;
}

static rouse_poll rest_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rest *r = ROUSE_CONTAINER_OF(self, struct rest, base);

    while (rouse_future_poll(&r->read.base, cx) == ROUSE_READY) {
        ssize_t n = r->read.output;
        struct message message = {.conn = r->read.conn,
                                  .data = rouse_tcp_read_pooled_take(&r->read),
                                  .size = n > 0 ? (size_t)n : 0};

        if (!answer(&message)) return ROUSE_READY;
        rouse_tcp_read_pooled_init(&r->read, message.conn);
    }
    return ROUSE_PENDING;
}

static void rest_drop(struct rouse_future *self)
{
    struct rest *r = ROUSE_CONTAINER_OF(self, struct rest, base);

    rouse_future_drop(&r->read.base);
    rouse_tcp_unref(r->read.conn);
}

static int rest_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rouse_future_describe(&((const struct rest *)self)->read.base, buf, size);
}

static const struct rouse_future_vtable rest_vtable = {
    .poll = rest_poll, .drop = rest_drop, .name = "rest", .describe = rest_describe};

static void rest_init(struct rouse_future *storage, void *conn)
{
    struct rest *r = ROUSE_CONTAINER_OF(storage, struct rest, base);

    r->base.vtable = &rest_vtable;
    rouse_tcp_read_pooled_init(&r->read, conn);
}

// ---- The task that computes ----

struct computing {
    struct rouse_async async;
    struct rouse_yield yield;
};

static rouse_poll computing_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct computing *c = ROUSE_CONTAINER_OF(self, struct computing, async.base);

    ROUSE_ASYNC_BEGIN(&c->async, cx);
    for (;;) {
        compute();
        rouse_yield_init(&c->yield);
        ROUSE_AWAIT(&c->yield.base);
    }
    ROUSE_ASYNC_END();
}

static void computing_drop(struct rouse_future *self)
{
    struct computing *c = ROUSE_CONTAINER_OF(self, struct computing, async.base);

    rouse_async_cancel(&c->async);
}

static const struct rouse_future_vtable computing_vtable = {
    .poll = computing_poll, .drop = computing_drop, .name = "computing"};

static void computing_init(struct rouse_future *storage, void *arg)
{
    struct computing *c = ROUSE_CONTAINER_OF(storage, struct computing, async.base);

    (void)arg;
    rouse_async_init(&c->async, &computing_vtable);
}

// ---- The program ----

static int spawn_connection(struct rouse_tcp *conn)
{
    struct rouse_future_spec frame = {
        .size = sizeof(struct serve), .init = serve_init, .arg = conn};

    if (settings.buffer_size == 0) {
        frame.size = sizeof(struct rest);
        frame.init = rest_init;
    }

    return settings.with_futures      ? rouse_spawn_future(NULL, &frame)
           : settings.buffer_size > 0 ? rouse_spawn(NULL, serve_fiber, conn)
                                      : rouse_spawn(NULL, serve_fiber_lent, conn);
}

static int accept_all(void *arg)
{
    struct rouse_tcp_listener *listener = arg;  // taken
    struct rouse_tcp *conn;
    int err;

    while ((err = rouse_tcp_accept(listener, &conn)) == 0) {
        if (spawn_connection(conn) < 0) rouse_tcp_unref(conn);
    }
    rouse_tcp_listener_unref(listener);
    return err;
}

static int spawn_computing(void)
{
    struct rouse_future_spec frame = {.size = sizeof(struct computing), .init = computing_init};

    if (settings.busy_ns == 0) return 0;
    return settings.with_futures ? rouse_spawn_future(NULL, &frame)
                                 : rouse_spawn(NULL, compute_fiber, NULL);
}

static int listen_and_print(struct rouse_tcp_listener **listener)
{
    const struct rouse_tcp_listen_options options = {.size = sizeof options, .backlog = 4096};
    char text[ROUSE_ADDR_TEXT_MAX];
    struct rouse_addr address;
    int err = rouse_tcp_listen(listener, &settings.address, &options);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(*listener, &address);
    if (err < 0) {
        rouse_tcp_listener_unref(*listener);
        return err;
    }
    rouse_addr_format(&address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
    return 0;
}

// The root fiber of one worker, which is one thread, as the peers' servers are: nobody is there to
// wait for a signal, so that one ends the process.
static int serve(void *arg)
{
    struct rouse_tcp_listener *listener;
    int err = listen_and_print(&listener);

    (void)arg;
    if (err < 0) return err;
    err = spawn_computing();
    if (err == 0) return accept_all(listener);
    rouse_tcp_listener_unref(listener);
    return err;
}

// The root fiber of several: until a signal comes. The runtime then aborts what is left.
static int serve_until_told(void *arg)
{
    struct rouse_tcp_listener *listener;
    struct rouse_join_handle acceptor;
    struct rouse_signal terminate, interrupt;
    struct rouse_select_all first;
    struct rouse_future *arms[] = {&terminate.base, &interrupt.base, &acceptor.base};
    int err;

    (void)arg;
    rouse_signal_init(&terminate, SIGTERM);
    rouse_signal_init(&interrupt, SIGINT);
    err = listen_and_print(&listener);
    if (err < 0) goto no_listener;
    err = spawn_computing();
    if (err == 0) err = rouse_spawn(&acceptor, accept_all, listener);
    if (err < 0) goto no_acceptor;
    rouse_abort_on_drop(&acceptor);
    rouse_select_all_init(&first, arms, 3, ROUSE_SELECT_FAIR);
    err = rouse_await(&first.base);
    if (err == 0) err = (int)rouse_future_result(arms[first.output]);
    rouse_future_drop(&first.base);
    return err < 0 ? err : 0;

no_acceptor:
    rouse_tcp_listener_unref(listener);
no_listener:
    rouse_future_drop(&terminate.base);
    rouse_future_drop(&interrupt.base);
    return err;
}

static void print_help(void)
{
    printf("An echo server of rouse, to compare with the raw ones and with other runtimes.\n\n"
           "  --listen ADDR:PORT  a loopback address (default 127.0.0.1:0; 0: any port)\n"
           "  --style STYLE       fiber (default) or future\n"
           "  --workers N         threads (default 1)\n"
           "  --buffer BYTES      of each connection (default: lent while there is data)\n"
           "  --busy-ms MS        beside them, a task computes for MS at a time (default: none)\n"
           "  --help              this text\n\n"
           "ROUSE_REACTOR says what it waits with.\n");
}

// Loopback only, as in the other programs here.
static struct rouse_addr address_parse(const char *text)
{
    struct rouse_addr address;

    (void)net_parse_loopback("--listen", text);
    if (rouse_addr_parse(&address, text) < 0) net_misuse("--listen", text);
    return address;
}

static bool style_has_futures(const char *name)
{
    if (strcmp(name, "future") == 0) return true;
    if (strcmp(name, "fiber") != 0) net_misuse("--style", name);
    return false;
}

static void settings_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},
        {"style", required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'w'},
        {"buffer", required_argument, NULL, 'b'},
        {"busy-ms", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int name;

    settings.address = rouse_addr_loopback(0);
    settings.workers = 1;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 'h') print_help(), exit(EXIT_SUCCESS);
        if (name == '?') exit(EXIT_USAGE);
        if (name == 'l') settings.address = address_parse(optarg);
        if (name == 's') settings.with_futures = style_has_futures(optarg);
        if (name == 'w') {
            settings.workers = (unsigned)net_parse_count("--workers", optarg, 1, ROUSE_WORKERS_MAX);
        }
        if (name == 'b') settings.buffer_size = net_parse_count("--buffer", optarg, 1, BUFFER_MAX);
        if (name == 'm') {
            settings.busy_ns = net_parse_count("--busy-ms", optarg, 1, BUSY_MS_MAX) * 1000000;
        }
    }
    if (optind < argc) net_misuse("a command that takes options only", argv[optind]);
}

int main(int argc, char **argv)
{
    int err;

    settings_parse(argc, argv);
    net_raise_open_files(OPEN_FILES_MAX);
    err = run_root(settings.workers, settings.workers == 1 ? serve : serve_until_told, NULL);
    if (err < 0) net_fail("rouse", -err);
    return EXIT_SUCCESS;
}
