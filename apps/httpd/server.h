// SPDX-License-Identifier: MIT
//
// The server: what all workers share, where it listens, and its orderly end.
#ifndef HTTPD_SERVER_H
#define HTTPD_SERVER_H

#include <rouse/scope.h>
#include <stdatomic.h>

#include "console.h"
#include "demo.h"
#include "options.h"
#include "worker.h"

// Written before the first connection and read only from then on, save for the atomics.
struct httpd_server {
    const struct httpd_options *options;
    struct httpd_root root;
    struct httpd_cache_options cache_options;
    struct httpd_console console;
    struct httpd_demo demo;
    struct httpd_worker *workers;
    unsigned worker_count;
    unsigned connections_max;
    int log_fd;                      // -1: no access log
    struct rouse_scope connections;  // all of them, also those being refused
    _Atomic uint32_t admitted;       // that count towards the limit
    _Atomic uint32_t cut_off;        // that were cancelled before they were done
};

// Opens the folder and the log, and sizes the limits. Returns 0, or a negative errno after it has
// said what is wrong.
int httpd_server_init(struct httpd_server *server, const struct httpd_options *options);
// When the runtime has ended.
void httpd_server_deinit(struct httpd_server *server);

// The program's root fiber: listens, serves until SIGINT or SIGTERM, and ends in order. Takes a
// `struct httpd_server`; returns the exit status.
int httpd_server_run(void *server);

// Says whether there is room for one connection more; if so, it is to be given back.
bool httpd_server_admit(struct httpd_server *server);
void httpd_server_dismiss(struct httpd_server *server);
// A connection ends because it was cancelled.
void httpd_server_cut_off(struct httpd_server *server);

#endif
