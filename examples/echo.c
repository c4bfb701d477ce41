// SPDX-License-Identifier: MIT
//
// A TCP echo server in both styles. With fibers a connection is a function that waits; with async
// frames it is a struct and a poll function. Both wait through the same futures, run on the same
// workers, and end on SIGINT or SIGTERM: the root fiber returns, and rouse_run_with() aborts and
// awaits every task that is left, which frees its connection.

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
    char buf[16384];
    ssize_t n;

    while ((n = rouse_tcp_read(conn, buf, sizeof buf)) > 0) {
        n = rouse_tcp_write_all(conn, buf, (size_t)n);
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
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char buf[16384];
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
    } while (s->write.output > 0);
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
    .poll = serve_poll, .drop = serve_drop, .name = "serve", .describe = rouse_async_describe};

static void serve_init(struct rouse_future *storage, void *conn)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = conn;
}

struct acceptor {
    struct rouse_async async;
    struct rouse_tcp_listener *listener;  // owned
    struct rouse_tcp_accept accept;
    int output;
};

static void serve_frame(struct rouse_tcp *conn)
{
    struct rouse_future_spec spec = {.size = sizeof(struct serve), .init = serve_init, .arg = conn};

    if (rouse_spawn_future(NULL, &spec) < 0) rouse_tcp_unref(conn);
}

static rouse_poll acceptor_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct acceptor *a = ROUSE_CONTAINER_OF(self, struct acceptor, async.base);

    ROUSE_ASYNC_BEGIN(&a->async, cx);
    for (;;) {
        rouse_tcp_accept_init(&a->accept, a->listener);
        ROUSE_AWAIT(&a->accept.base);
        a->output = a->accept.output;
        if (a->output < 0) break;
        serve_frame(rouse_tcp_accept_take(&a->accept));
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
        .size = sizeof(struct acceptor), .init = acceptor_init, .arg = listener};
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
    fputs("Usage: echo [--style fiber|async] [--listen ADDRESS:PORT] [--workers N]\n"
          "Sends back what it receives, until SIGINT or SIGTERM.\n"
          "\n"
          "  --style STYLE          fiber (default) or async\n"
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
    bad |= strcmp(settings.style, "fiber") != 0 && strcmp(settings.style, "async") != 0;
    if (bad || optind != argc) return usage(stderr), 2;
    int err = rouse_run_with(echo, &settings, &runtime);

    if (err < 0) fprintf(stderr, "echo: %s\n", rouse_strerror(err));
    return err < 0;
}
