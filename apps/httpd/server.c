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
#include <rouse/runtime.h>
#include <rouse/scope.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/complain.h"
#include "common/descriptors.h"
#include "common/ending.h"
#include "connection.h"

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

int httpd_server_init(struct httpd_server *server, const struct httpd_options *options)
{
    *server = (struct httpd_server){
        .options = options,
        .cache_options = HTTPD_CACHE_OPTIONS_DEFAULT,
        .log_fd = -1,
    };
    int err = httpd_root_init(&server->root, options->root);

    if (err < 0) {
        return app_complain("cannot serve", options->root, err,
                            "; name a readable folder by --root");
    }
    err = app_line_log_open(&server->log_fd, options->access_log);
    if (err < 0) {
        (void)app_complain("cannot write", options->access_log, err,
                           "; choose another --access-log");
        goto no_log;
    }
    // Before the runtime: nothing that happens in it is missed.
    err = httpd_console_init(&server->console, options);
    if (err < 0) goto no_console;
    return 0;

no_console:
    if (server->log_fd >= 0) (void)close(server->log_fd);
no_log:
    httpd_root_deinit(&server->root);
    return err;
}

void httpd_server_deinit(struct httpd_server *server)
{
    httpd_console_deinit(&server->console);
    httpd_demo_deinit(&server->demo);
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

    server->connections_max = app_descriptors_room(server->options->connections, 1, count);
    server->workers = calloc(count, sizeof *server->workers);
    if (server->workers == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        server->worker_count++;
        int err = httpd_worker_init(&server->workers[i], server, i);

        if (err < 0) return err;
    }
    return 0;
}

// ---- Started and ended ----

// A connection has come, to a fiber of the worker.
static void connection_start(void *arg, unsigned worker, struct rouse_tcp *tcp)
{
    struct httpd_server *server = arg;

    httpd_connection_start(&server->workers[worker], tcp);
}

static int tend_all(struct rouse_scope *tending, struct httpd_server *server)
{
    int err = 0;

    for (unsigned i = 0; err == 0 && i < server->worker_count; i++) {
        const struct rouse_task_attrs attrs = {
            .size = sizeof attrs, .name = "tend", .worker = i + 1, .site = ROUSE_SITE};

        err = rouse_scope_spawn_at(tending, NULL, httpd_worker_tend, &server->workers[i], &attrs);
    }
    return err < 0 ? app_complain("cannot start", "a worker", err, "") : 0;
}

static int demo_start(struct rouse_scope *tending, struct httpd_server *server,
                      const struct rouse_addr *listening)
{
    if (!server->options->has_demo) return 0;
    int err = httpd_demo_start(&server->demo, tending, listening);

    return err < 0 ? app_complain("cannot start", "the demo", err, "") : 0;
}

// Returns the signal's number, or a negative errno.
static int serve_until_signal(void *arg, struct app_ending *ending)
{
    struct httpd_server *server = arg;
    struct rouse_scope tending;
    struct rouse_scope accepting;
    struct rouse_addr listening;
    const struct app_acceptors acceptors = {
        .workers = server->worker_count,
        .before = "listening on http://",
        .after = "/",
        .first = &listening,
        .start = connection_start,
        .arg = server};

    rouse_scope_open(&tending, ROUSE_NEVER);
    rouse_scope_open(&accepting, ROUSE_NEVER);
    int result = app_acceptors_start(&accepting, &acceptors, &server->options->listen);

    if (result == 0) result = tend_all(&tending, server);
    if (result == 0) result = demo_start(&tending, server, &listening);
    if (result == 0) result = app_ending_wait(ending);
    rouse_scope_cancel(&accepting, "the server ends");
    (void)rouse_scope_wait(&accepting, NULL);
    rouse_scope_cancel(&tending, "the server ends");
    (void)rouse_scope_wait(&tending, NULL);
    return result;
}

int httpd_server_run(void *arg)
{
    struct httpd_server *server = arg;
    int err = workers_open(server);

    if (err < 0) {
        (void)app_complain("cannot start", "the workers", err, "");
        return EXIT_FAILURE;
    }
    return app_ending_serve(&(struct app_serving){
        .connections = &server->connections,
        .serve = serve_until_signal,
        .arg = server,
        .failure = "the server did not start",
        .grace_ns = server->options->grace_ns,
        .cut_off = &server->cut_off});
}
