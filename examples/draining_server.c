// SPDX-License-Identifier: MIT
//
// An echo server that drains: at Ctrl-C, or SIGTERM, it stops accepting, lets connections go on
// until the grace is over, and then cancels those that are left, each of which still says goodbye.
//
// Connections are fibers of a scope inside a deadline. The deadline is moved from never to the end
// of the grace; when it passes, so does the scope's wait, which cancels them and waits on.

#include <errno.h>
#include <getopt.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

// ---- A connection ----

static void say_goodbye(struct rouse_tcp *conn)
{
    static const char goodbye[] = "goodbye\n";
    struct rouse_shield shield;

    // We are cancelled: in a shield we may wait all the same, but not long.
    rouse_shield_enter(&shield, rouse_deadline_after(ROUSE_NS_PER_S));
    ssize_t n = rouse_tcp_write_all(conn, goodbye, sizeof goodbye - 1);

    if (rouse_shield_leave(&shield) == -ETIMEDOUT) n = -ETIMEDOUT;
    if (n < 0) fprintf(stderr, "draining_server: no goodbye: %s\n", rouse_strerror((int)n));
}

// Returns 0 in any case: what breaks one connection is nothing to the others.
static int serve(void *arg)
{
    struct rouse_tcp *conn = arg;  // taken
    char buf[4096];
    ssize_t n;

    while ((n = rouse_tcp_read(conn, buf, sizeof buf)) > 0) {
        n = rouse_tcp_write_all(conn, buf, (size_t)n);
        if (n < 0) break;
    }
    if (n == -ECANCELED) say_goodbye(conn);
    rouse_tcp_unref(conn);
    return 0;
}

// ---- Accepting ----

static void connection_start(struct rouse_scope *connections, struct rouse_tcp *conn)
{
    int err = rouse_scope_spawn(connections, NULL, serve, conn);

    if (err == 0) return;
    fprintf(stderr, "draining_server: connection refused: %s\n", rouse_strerror(err));
    rouse_tcp_unref(conn);
}

// Until `end` has come. The select drops an accept that loses, which loses no connection; `end` is
// lent, so that a signal that came is not thrown away.
static int accept_until(struct rouse_future *end, struct rouse_tcp_listener *listener,
                        struct rouse_scope *connections)
{
    for (;;) {
        struct rouse_tcp_accept accept;
        struct rouse_borrow lent;
        struct rouse_select first;

        rouse_tcp_accept_init(&accept, listener);
        rouse_borrow_init(&lent, end);
        rouse_select_init(&first, &lent.base, &accept.base, ROUSE_SELECT_BIASED);
        int err = rouse_await(&first.base);

        if (err < 0) return err;
        if (first.output == 0) return 0;
        if (accept.output < 0) return accept.output;
        connection_start(connections, rouse_tcp_accept_take(&accept));
    }
}

static int accept_until_signal(struct rouse_tcp_listener *listener, struct rouse_scope *connections)
{
    struct rouse_signal interrupt;
    struct rouse_signal terminate;
    struct rouse_select either;

    rouse_signal_init(&interrupt, SIGINT);
    rouse_signal_init(&terminate, SIGTERM);
    rouse_select_init(&either, &interrupt.base, &terminate.base, ROUSE_SELECT_FAIR);
    int err = accept_until(&either.base, listener, connections);

    rouse_future_drop(&either.base);
    return err;
}

// ---- The program ----

struct settings {
    struct rouse_addr address;
    uint64_t grace_ns;
};

// Takes `listener`.
static int serve_and_drain(struct rouse_tcp_listener *listener, uint64_t grace_ns)
{
    struct rouse_deadline grace;
    struct rouse_scope connections;

    rouse_deadline_enter(&grace, ROUSE_NEVER);
    rouse_scope_open(&connections, ROUSE_NEVER);
    int err = accept_until_signal(listener, &connections);

    rouse_tcp_listener_unref(listener);
    puts("draining");
    fflush(stdout);
    rouse_deadline_move(&grace, rouse_deadline_after(grace_ns));
    (void)rouse_scope_wait(&connections, NULL);
    bool cut_off = rouse_deadline_leave(&grace) == -ETIMEDOUT;

    puts(cut_off ? "the grace was over; the rest were cancelled" : "all had finished");
    return err;
}

static int run(void *arg)
{
    struct settings *settings = arg;
    struct rouse_tcp_listener *listener;
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = rouse_tcp_listen(&listener, &settings->address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(listener, &settings->address);
    if (err < 0) {
        rouse_tcp_listener_unref(listener);
        return err;
    }
    (void)rouse_addr_format(&settings->address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
    return serve_and_drain(listener, settings->grace_ns);
}

static void usage(FILE *to)
{
    fputs("Usage: draining_server [--listen ADDRESS:PORT] [--grace MS]\n"
          "Sends back what it receives, until SIGINT or SIGTERM; then it drains.\n"
          "\n"
          "  --listen ADDRESS:PORT   default 127.0.0.1:7777; port 0 takes a free one\n"
          "  --grace MS              for connections to finish; default 5000\n"
          "  --help                  this text\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"grace", required_argument, NULL, 'g'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct settings settings = {.address = rouse_addr_loopback(7777),
                                .grace_ns = 5 * ROUSE_NS_PER_S};
    bool bad = false;
    char *end;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') return usage(stdout), 0;
        if (option == 'l') bad |= rouse_addr_parse(&settings.address, optarg) < 0;
        if (option == 'g') {
            settings.grace_ns = strtoul(optarg, &end, 10) * ROUSE_NS_PER_MS;
            bad |= *end != '\0' || end == optarg;
        }
        bad |= option == '?';
    }
    if (bad || optind != argc) return usage(stderr), 2;
    int err = rouse_run(run, &settings);

    if (err < 0) fprintf(stderr, "draining_server: %s\n", rouse_strerror(err));
    return err < 0;
}
