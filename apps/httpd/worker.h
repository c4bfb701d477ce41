// SPDX-License-Identifier: MIT
//
// What the connections of one worker share. They are fibers pinned to it, so one runs at a time and
// there are no locks.
//
// The buffers belong to the fiber that runs. Whoever is about to wait sends or puts aside what is
// in them, for the next fiber writes over it. So a connection on which nothing moves has no buffer,
// and all of them use memory that the cache holds already.
#ifndef HTTPD_WORKER_H
#define HTTPD_WORKER_H

#include <rouse/tcp.h>

#include "access_log.h"
#include "memo.h"
#include "reply.h"
#include "targets.h"

struct httpd_server;

enum {
    HTTPD_READ_SIZE = 16 << 10,    // room for a read, beyond an incomplete request
    HTTPD_OUTPUT_SIZE = 64 << 10,  // answers that go out together
};

// A connection's place in the ring of its worker's; all zero while it is in none. The ring's head
// is part of no connection, so neighbours are only ever used as places.
struct httpd_idle {
    struct httpd_idle *next;
    struct httpd_idle *prev;
    struct rouse_tcp *tcp;
    uint64_t since_ns;  // while it waits for a request: since when; else 0
};

struct httpd_worker {
    struct httpd_server *server;
    struct httpd_site site;  // with this worker's cache
    struct httpd_targets targets;
    struct http_clock clock;
    uint64_t now_ns;  // rouse_now_recent_ns()
    char *input;
    size_t input_size;
    char *output;
    size_t output_used;
    char *path;              // HTTP_PATH_SIZE
    struct httpd_idle idle;  // the ring's head
    struct httpd_access_log log;
    struct httpd_memo memo;
    unsigned refusals;  // connections that are being told to come back later
    unsigned index;
    bool is_closing;  // requests in progress are finished, no more are taken
};

// Returns 0 or a negative errno; after that, deinit is allowed and needed in any case.
int httpd_worker_init(struct httpd_worker *worker, struct httpd_server *server, unsigned index);
void httpd_worker_deinit(struct httpd_worker *worker);

// Reads the clocks. Call after each wait.
void httpd_worker_tick(struct httpd_worker *worker);

// A connection comes, and goes. The second does nothing if it was taken out before.
void httpd_idle_enter(struct httpd_worker *worker, struct httpd_idle *idle);
void httpd_idle_leave(struct httpd_idle *idle);

// It begins to wait for a request, at the worker's current time; and waits no longer. Its own
// memory only is touched: that of its neighbours is not in the cache.
static inline void httpd_idle_begin(const struct httpd_worker *worker, struct httpd_idle *idle)
{
    idle->since_ns = worker->now_ns;
}

static inline void httpd_idle_end(struct httpd_idle *idle)
{
    idle->since_ns = 0;
}

// The body of a fiber of this worker: closes connections that have waited too long for a request.
// When it is aborted, it closes all that wait, sets `is_closing`, and ends.
int httpd_worker_tend(void *worker);

#endif
