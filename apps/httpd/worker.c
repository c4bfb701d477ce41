// SPDX-License-Identifier: MIT
//
// The life of a worker's state, its clocks, and the fiber that looks after idle connections. Init
// and deinit are called when no fiber runs; all else by fibers of the worker.
//
// The ring of idle connections is in the order in which they began to wait, so only its head needs
// to be looked at, and waiting costs no timer.
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "server.h"

int httpd_worker_init(struct httpd_worker *worker, struct httpd_server *server, unsigned index)
{
    const struct httpd_options *options = server->options;

    *worker = (struct httpd_worker){
        .server = server,
        .index = index,
        .site = {.index = "index.html"},
        .input_size = options->limits.head_max + HTTPD_READ_SIZE,
        .idle = {.next = &worker->idle, .prev = &worker->idle},
    };
    httpd_access_log_init(&worker->log, server->log_fd);
    worker->input = malloc(worker->input_size);
    worker->output = malloc(HTTPD_OUTPUT_SIZE);
    worker->path = malloc(HTTP_PATH_SIZE);
    if (worker->input == NULL || worker->output == NULL || worker->path == NULL) return -ENOMEM;
    httpd_worker_tick(worker);
    return httpd_cache_new(&worker->site.cache, &server->root, &server->cache_options);
}

void httpd_worker_deinit(struct httpd_worker *worker)
{
    httpd_access_log_deinit(&worker->log);
    httpd_targets_deinit(&worker->targets);
    if (worker->site.cache != NULL) httpd_cache_free(worker->site.cache);
    free(worker->path);
    free(worker->output);
    free(worker->input);
}

// The coarse clocks are a few milliseconds late and cost a quarter of the exact ones; all that is
// measured by them lasts longer. They move together, so that most calls need only one.
void httpd_worker_tick(struct httpd_worker *worker)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * ROUSE_NS_PER_S + (uint64_t)now.tv_nsec;

    if (now_ns == worker->now_ns) return;
    worker->now_ns = now_ns;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    http_clock_set(&worker->clock, now.tv_sec);
}

// Its fiber finds it closed, and ends.
static void idle_close(struct httpd_idle *idle)
{
    httpd_idle_leave(idle);
    rouse_tcp_close(idle->tcp);
}

// Returns when to look again.
static uint64_t close_overdue(struct httpd_worker *worker)
{
    uint64_t limit_ns = worker->server->options->idle_ns;
    uint64_t now_ns = rouse_now_ns();
    struct httpd_idle *head = &worker->idle;

    while (head->next != head) {
        uint64_t due_ns = head->next->since_ns + limit_ns;

        if (due_ns > now_ns) return due_ns;
        idle_close(head->next);
    }
    return now_ns + limit_ns;
}

int httpd_worker_tend(void *arg)
{
    struct httpd_worker *worker = arg;

    while (rouse_sleep_until(close_overdue(worker)) == 0) {
    }
    worker->is_closing = true;
    while (worker->idle.next != &worker->idle) {
        idle_close(worker->idle.next);
    }
    return 0;
}
