// SPDX-License-Identifier: MIT
//
// The life of a worker's state, its clocks, and the fiber that looks after idle connections. Init
// and deinit are called when no fiber runs; all else by fibers of the worker.
//
// Waiting costs no timer: that fiber goes through all connections now and then, and so may close
// one that waits a sixteenth of the limit too late.
#include "worker.h"

#include <errno.h>
#include <rouse/runtime.h>
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

// All that is measured by these lasts longer than they are late. The date is read when the other
// has moved: at most once for each time that the worker looked for events.
void httpd_worker_tick(struct httpd_worker *worker)
{
    uint64_t now_ns = rouse_now_recent_ns();
    struct timespec now;

    if (now_ns == worker->now_ns) return;
    worker->now_ns = now_ns;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    http_clock_set(&worker->clock, now.tv_sec);
}

void httpd_idle_enter(struct httpd_worker *worker, struct httpd_idle *idle)
{
    struct httpd_idle *head = &worker->idle;

    idle->next = head;
    idle->prev = head->prev;
    head->prev->next = idle;
    head->prev = idle;
}

void httpd_idle_leave(struct httpd_idle *idle)
{
    if (idle->next == NULL) return;
    idle->next->prev = idle->prev;
    idle->prev->next = idle->next;
    idle->next = idle->prev = NULL;
}

// Closes those that have waited since `before_ns` or longer. Their fibers find them closed, and
// end. Returns since when the next one has waited, or UINT64_MAX.
static uint64_t close_idle(struct httpd_worker *worker, uint64_t before_ns)
{
    uint64_t next_ns = UINT64_MAX;
    struct httpd_idle *next;

    for (struct httpd_idle *idle = worker->idle.next; idle != &worker->idle; idle = next) {
        next = idle->next;
        if (idle->since_ns == 0) continue;
        if (idle->since_ns > before_ns) {
            if (idle->since_ns < next_ns) next_ns = idle->since_ns;
            continue;
        }
        httpd_idle_leave(idle);
        rouse_tcp_close(idle->tcp);
    }
    return next_ns;
}

// Returns when to look again.
static uint64_t close_overdue(struct httpd_worker *worker)
{
    uint64_t limit_ns = worker->server->options->idle_ns;
    uint64_t now_ns = rouse_now_ns();
    uint64_t next_ns = close_idle(worker, now_ns > limit_ns ? now_ns - limit_ns : 0);
    uint64_t soon_ns = now_ns + limit_ns / 16;

    if (next_ns > now_ns) return now_ns + limit_ns;  // nobody waits
    return next_ns + limit_ns > soon_ns ? next_ns + limit_ns : soon_ns;
}

int httpd_worker_tend(void *arg)
{
    struct httpd_worker *worker = arg;

    while (rouse_sleep_until(close_overdue(worker)) == 0) {
    }
    worker->is_closing = true;
    (void)close_idle(worker, UINT64_MAX);
    return 0;
}
