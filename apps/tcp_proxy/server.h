// SPDX-License-Identifier: MIT
//
// The proxy: what all workers share, where it listens, and its orderly end.
#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H

#include <rouse/scope.h>
#include <stdatomic.h>

#include "common/line_log.h"
#include "options.h"
#include "upstreams.h"

struct proxy_server;

// What the connections of one worker share. Their tasks are pinned to it, so one runs at a time.
struct proxy_worker {
    struct proxy_server *server;
    struct app_line_log log;
};

// Written before the first connection and read only from then on, save for the atomics.
struct proxy_server {
    const struct proxy_options *options;
    struct proxy_upstreams upstreams;
    struct proxy_worker *workers;
    unsigned worker_count;
    unsigned connections_max;
    int log_fd;                      // -1: no log
    struct rouse_scope connections;  // all of them
    _Atomic uint32_t admitted;       // how many
    _Atomic uint32_t cut_off;        // that were cancelled before they were done
    _Atomic uint32_t is_full;        // and standard error knows
};

// Looks the upstreams up and opens the log. Returns 0, or a negative errno after it has said what
// is wrong.
int proxy_server_init(struct proxy_server *server, const struct proxy_options *options);
// When the runtime has ended.
void proxy_server_deinit(struct proxy_server *server);

// The program's root fiber: listens, serves until SIGINT or SIGTERM, and ends in order. Takes a
// `struct proxy_server`; returns the exit status.
int proxy_server_run(void *server);

// Says whether there is room for one connection more; if so, it is to be given back.
bool proxy_server_admit(struct proxy_server *server);
void proxy_server_dismiss(struct proxy_server *server);
// A connection ends because it was cancelled.
void proxy_server_cut_off(struct proxy_server *server);

#endif
