// SPDX-License-Identifier: MIT
//
// The root fiber opens two scopes, one in the other, waits for a signal, and then leaves them from
// the inside out:
//
//     accepting      a fiber for each listener    cancelled: the listeners close
//     connections    a future for each            end by themselves, or are cancelled when the
//                                                 grace is over
#include "server.h"

#include <errno.h>
#include <rouse/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/complain.h"
#include "common/descriptors.h"
#include "common/ending.h"
#include "relay.h"

// ---- Counting ----

// Relaxed, all of them: limits and counts, which order nothing.

bool proxy_server_admit(struct proxy_server *server)
{
    uint32_t before = atomic_fetch_add_explicit(&server->admitted, 1, memory_order_relaxed);

    if (before < server->connections_max) return true;
    proxy_server_dismiss(server);
    if (atomic_exchange_explicit(&server->is_full, 1, memory_order_relaxed) == 0) {
        (void)fprintf(stderr,
                      "%s: there are %u connections (see --max-connections); more are reset\n",
                      app_name, server->connections_max);
    }
    return false;
}

void proxy_server_dismiss(struct proxy_server *server)
{
    atomic_fetch_sub_explicit(&server->admitted, 1, memory_order_relaxed);
}

void proxy_server_cut_off(struct proxy_server *server)
{
    atomic_fetch_add_explicit(&server->cut_off, 1, memory_order_relaxed);
}

// ---- Opened ----

int proxy_server_init(struct proxy_server *server, const struct proxy_options *options)
{
    *server = (struct proxy_server){.options = options, .log_fd = -1};
    int err = proxy_upstreams_init(&server->upstreams, options);

    if (err < 0) return err;
    err = app_line_log_open(&server->log_fd, options->log);
    if (err < 0) return app_complain("cannot write", options->log, err, "; choose another --log");
    return 0;
}

void proxy_server_deinit(struct proxy_server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        app_line_log_deinit(&server->workers[i].log);
    }
    free(server->workers);
    if (server->log_fd >= 0) (void)close(server->log_fd);
}

static int workers_open(struct proxy_server *server)
{
    unsigned count = rouse_runtime_workers(rouse_runtime_current());

    server->connections_max = app_descriptors_room(server->options->connections, 2, count);
    server->workers = calloc(count, sizeof *server->workers);
    if (server->workers == NULL) return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        server->workers[i].server = server;
        app_line_log_init(&server->workers[i].log, "log", server->log_fd);
    }
    server->worker_count = count;
    return 0;
}

// ---- Started and ended ----

// A connection has come, to a fiber of the worker.
static void connection_start(void *arg, unsigned worker, struct rouse_tcp *tcp)
{
    struct proxy_server *server = arg;

    proxy_relay_start(&server->workers[worker], tcp);
}

// Returns the signal's number, or a negative errno.
static int serve_until_signal(void *arg, struct app_ending *ending)
{
    struct proxy_server *server = arg;
    const struct app_acceptors acceptors = {.workers = server->worker_count,
                                            .before = "listening on ",
                                            .after = "",
                                            .start = connection_start,
                                            .arg = server};
    struct rouse_scope accepting;

    rouse_scope_open(&accepting, ROUSE_NEVER);
    int result = app_acceptors_start(&accepting, &acceptors, &server->options->listen);

    if (result == 0) result = app_ending_wait(ending);
    rouse_scope_cancel(&accepting, "the proxy ends");
    (void)rouse_scope_wait(&accepting, NULL);
    return result;
}

int proxy_server_run(void *arg)
{
    struct proxy_server *server = arg;
    int err = workers_open(server);

    if (err < 0) {
        (void)app_complain("cannot start", "the workers", err, "");
        return EXIT_FAILURE;
    }
    return app_ending_serve(&(struct app_serving){
        .connections = &server->connections,
        .serve = serve_until_signal,
        .arg = server,
        .failure = "the proxy did not start",
        .grace_ns = server->options->grace_ns,
        .cut_off = &server->cut_off});
}
