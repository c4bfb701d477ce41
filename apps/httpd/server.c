// SPDX-License-Identifier: MIT
//
// Each worker has a listener of its own for each address, so that the kernel spreads connections
// over the workers and each stays where it was accepted. The root fiber opens three scopes, one in
// the other, waits for a signal, and then leaves them from the inside out:
//
//     accepting      a fiber for each listener    cancelled: the listeners close
//     tending        a fiber for each worker      cancelled: idle connections close, no more
//                                                 requests are taken
//     connections    all of them                  finish the request in progress, or are cancelled
//                                                 when the grace is over
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <rouse/error.h>
#include <rouse/runtime.h>
#include <rouse/scope.h>
#include <rouse/select.h>
#include <rouse/signal.h>
#include <rouse/sleep.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "connection.h"

enum {
    BACKLOG = 4096,
    FD_RESERVE = 32,             // standard streams, the log, epoll, and what loads are under way
    FD_RESERVE_PER_WORKER = 80,  // listeners, the driver, and what the cache holds open
};

// ---- Counting ----

bool httpd_server_admit(struct httpd_server *server)
{
    // Relaxed, here and in dismiss: a limit, not an order.
    uint32_t before = atomic_fetch_add_explicit(&server->admitted, 1, memory_order_relaxed);

    if (before < server->connections_max) return true;
    httpd_server_dismiss(server);
    return false;
}

void httpd_server_dismiss(struct httpd_server *server)
{
    atomic_fetch_sub_explicit(&server->admitted, 1, memory_order_relaxed);
}

void httpd_server_cut_off(struct httpd_server *server)
{
    // Relaxed: read when the connections' scope has been left.
    atomic_fetch_add_explicit(&server->cut_off, 1, memory_order_relaxed);
}

// ---- Opened ----

static int complain(const char *what, const char *name, int err, const char *cure)
{
    (void)fprintf(stderr, "httpd: %s %s: %s%s\n", what, name, rouse_strerror(err), cure);
    return err;
}

// As many connections as there are descriptors for, unless fewer are asked for.
static unsigned connections_limit(const struct httpd_options *options, unsigned workers)
{
    rlim_t reserve = FD_RESERVE + FD_RESERVE_PER_WORKER * (rlim_t)workers;
    struct rlimit limit;
    rlim_t room;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return options->connections;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    room = limit.rlim_cur > 2 * reserve ? limit.rlim_cur - reserve : limit.rlim_cur / 2;
    if (options->connections > room) {
        (void)fprintf(stderr,
                      "httpd: the limit of open files leaves room for %llu connections, not %u; "
                      "raise it (ulimit -n)\n",
                      (unsigned long long)room, options->connections);
    }
    return options->connections > 0 && options->connections < room
               ? options->connections
               : (unsigned)room;
}

static int log_open(struct httpd_server *server)
{
    const char *name = server->options->access_log;

    server->log_fd = -1;
    if (name == NULL) return 0;
    server->log_fd = strcmp(name, "-") == 0
                         ? dup(STDOUT_FILENO)
                         : open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return server->log_fd < 0 ? -errno : 0;
}

int httpd_server_init(struct httpd_server *server, const struct httpd_options *options)
{
    *server = (struct httpd_server){
        .options = options,
        .cache_options = HTTPD_CACHE_OPTIONS_DEFAULT,
        .log_fd = -1,
    };
    int err = httpd_root_init(&server->root, options->root);

    if (err < 0) {
        return complain("cannot serve", options->root, err, "; name a readable folder by --root");
    }
    err = log_open(server);
    if (err < 0) {
        (void)complain("cannot write", options->access_log, err, "; choose another --access-log");
        httpd_root_deinit(&server->root);
    }
    return err;
}

void httpd_server_deinit(struct httpd_server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        httpd_worker_deinit(&server->workers[i]);
    }
    free(server->workers);
    if (server->log_fd >= 0) (void)close(server->log_fd);
    httpd_root_deinit(&server->root);
}

static int workers_open(struct httpd_server *server)
{
    unsigned count = rouse_runtime_workers(rouse_runtime_current());

    server->connections_max = connections_limit(server->options, count);
    server->workers = calloc(count, sizeof *server->workers);
    if (server->workers == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        server->worker_count++;
        int err = httpd_worker_init(&server->workers[i], server, i);

        if (err < 0) return err;
    }
    return 0;
}

// ---- Listening ----

// The body of a fiber of the listener's worker.
struct acceptor {
    struct httpd_worker *worker;
    struct rouse_tcp_listener *listener;  // one share
};

static int accept_run(void *arg)
{
    struct acceptor *a = arg;
    struct rouse_tcp *tcp;
    int err;

    while ((err = rouse_tcp_accept(a->listener, &tcp)) != -ECANCELED) {
        if (err == 0) {
            httpd_connection_start(a->worker, tcp);
            continue;
        }
        (void)complain("cannot accept", "a connection", err, "; trying again");
        if (rouse_sleep(ROUSE_NS_PER_S) < 0) break;
    }
    rouse_tcp_listener_unref(a->listener);
    free(a);
    return 0;
}

static int acceptor_start(struct rouse_scope *accepting, struct httpd_worker *worker,
                          const struct rouse_addr *address, bool is_shared)
{
    const struct rouse_tcp_listen_options options = {
        .size = sizeof options, .backlog = BACKLOG, .reuse_port = is_shared};
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "accept", .worker = worker->index + 1, .site = ROUSE_SITE};
    struct acceptor *a = malloc(sizeof *a);
    int err;

    if (a == NULL) return -ENOMEM;
    a->worker = worker;
    err = rouse_tcp_listen(&a->listener, address, &options);
    if (err < 0) goto no_listener;
    err = rouse_scope_spawn_at(accepting, NULL, accept_run, a, &attrs);
    if (err < 0) goto no_fiber;
    return 0;

no_fiber:
    rouse_tcp_listener_unref(a->listener);
no_listener:
    free(a);
    return err;
}

// Listeners that share a port do not notice one of another program that does so, too. This one
// does, and it picks the port where any will do.
static int address_claim(struct rouse_addr *address)
{
    struct rouse_tcp_listener *probe;
    int err = rouse_tcp_listen(&probe, address, NULL);

    if (err < 0) return err;
    err = rouse_tcp_listener_address(probe, address);
    rouse_tcp_listener_unref(probe);
    return err;
}

static const char *listen_cure(int err)
{
    switch (err) {
    case -EADDRINUSE:
        return "; stop who has it, or choose another port with --listen";
    case -EACCES:
        return "; a port below 1024 takes privileges: choose another with --listen";
    case -EADDRNOTAVAIL:
        return "; no interface has this address: choose another with --listen";
    default:
        return "";
    }
}

// ---- Started and ended ----

static int listen_on(struct rouse_scope *accepting, struct httpd_server *server,
                     const struct rouse_addr *wanted)
{
    struct rouse_addr address = *wanted;
    char text[ROUSE_ADDR_TEXT_MAX];
    int err = address_claim(&address);

    (void)rouse_addr_format(&address, text, sizeof text);
    for (unsigned i = 0; err == 0 && i < server->worker_count; i++) {
        err = acceptor_start(accepting, &server->workers[i], &address, server->worker_count > 1);
    }
    if (err < 0) return complain("cannot listen on", text, err, listen_cure(err));
    (void)printf("listening on http://%s/\n", text);
    (void)fflush(stdout);
    return 0;
}

static int accept_all(struct rouse_scope *accepting, struct httpd_server *server)
{
    const struct httpd_options *options = server->options;
    int err = 0;

    for (unsigned i = 0; err == 0 && i < options->listen_count; i++) {
        err = listen_on(accepting, server, &options->listen[i]);
    }
    return err;
}

static int tend_all(struct rouse_scope *tending, struct httpd_server *server)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < server->worker_count; i++) {
        const struct rouse_task_attrs attrs = {
            .size = sizeof attrs, .name = "tend", .worker = i + 1, .site = ROUSE_SITE};

        err = rouse_scope_spawn_at(tending, NULL, httpd_worker_tend, &server->workers[i], &attrs);
    }
    return err < 0 ? complain("cannot start", "a worker", err, "") : 0;
}

static int wait_for_signal(void)
{
    struct rouse_signal interrupt, terminate;
    struct rouse_select either;

    rouse_signal_init(&interrupt, SIGINT);
    rouse_signal_init(&terminate, SIGTERM);
    rouse_select_init(&either, &interrupt.base, &terminate.base, ROUSE_SELECT_BIASED);
    int err = rouse_await(&either.base);

    if (err < 0) return err;
    return either.output == 0 ? interrupt.output : terminate.output;
}

static void exit_at_once(int number)
{
    (void)number;
    _exit(EXIT_FAILURE);
}

// From now on a signal ends the program, whatever its threads are doing.
static void end_at_next_signal(void)
{
    struct sigaction action = {.sa_handler = exit_at_once};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

// Returns the signal's number, or a negative errno.
static int serve_until_signal(struct httpd_server *server)
{
    struct rouse_scope tending;
    struct rouse_scope accepting;

    rouse_scope_open(&tending, ROUSE_NEVER);
    rouse_scope_open(&accepting, ROUSE_NEVER);
    int result = accept_all(&accepting, server);

    if (result == 0) result = tend_all(&tending, server);
    if (result == 0) result = wait_for_signal();
    if (result > 0) end_at_next_signal();
    rouse_scope_cancel(&accepting, "the server ends");
    (void)rouse_scope_wait(&accepting, NULL);
    rouse_scope_cancel(&tending, "the server ends");
    (void)rouse_scope_wait(&tending, NULL);
    return result;
}

int httpd_server_run(void *arg)
{
    struct httpd_server *server = arg;
    struct rouse_deadline grace;
    int err = workers_open(server);

    if (err < 0) {
        (void)complain("cannot start", "the workers", err, "");
        return EXIT_FAILURE;
    }
    rouse_deadline_enter(&grace, ROUSE_NEVER);
    rouse_scope_open(&server->connections, ROUSE_NEVER);
    int result = serve_until_signal(server);

    if (result < 0) rouse_scope_cancel(&server->connections, "the server did not start");
    rouse_deadline_move(&grace, rouse_deadline_after(server->options->grace_ns));
    (void)rouse_scope_wait(&server->connections, NULL);
    if (rouse_deadline_leave(&grace) == -ETIMEDOUT) {
        // Relaxed: those that counted have ended.
        (void)fprintf(stderr, "httpd: the grace is over (see --grace); connections cut off: %u\n",
                      atomic_load_explicit(&server->cut_off, memory_order_relaxed));
    }
    return result > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
