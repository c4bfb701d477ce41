// SPDX-License-Identifier: MIT
//
// The access log: a line for each answer, in the form most tools call "combined".
//
//     127.0.0.1 - - [24/May/2026:07:31:02 +0000] "GET /a.css HTTP/1.1" 200 1270 "-" "curl/7.88.1"
//
// Each worker has one, and only its fibers use it; all write to the same file. Lines gather in
// memory, and a fiber hands them to the blocking pool, so that a slow disk holds up nobody. If more
// gathers than HTTPD_LOG_SIZE_MAX, lines are left out, and a line on standard error says how many.
// The order of lines is that of the answers within a worker.
#ifndef HTTPD_ACCESS_LOG_H
#define HTTPD_ACCESS_LOG_H

#include <rouse/waker.h>

#include "request.h"

enum { HTTPD_LOG_SIZE_MAX = 8 << 20 };

struct httpd_access_log {
    int fd;      // borrowed; -1: nothing is logged
    char *text;  // lines that nobody writes yet
    size_t size;
    size_t capacity;
    uint64_t left_out;
    int64_t time_s;  // of `time`
    char time[32];
    bool is_being_written;         // a fiber sees to it
    struct rouse_waker_slot much;  // the fiber, while it waits for more lines
};

struct httpd_access {
    const char *peer;                    // the client's address
    const struct http_request *request;  // NULL if it could not be read
    int64_t now_s;
    int status;
    uint64_t size;  // of the body
};

void httpd_access_log_init(struct httpd_access_log *log, int fd);

// Writes out what is left, waiting for it. For a plain thread, when no worker runs any more.
void httpd_access_log_deinit(struct httpd_access_log *log);

// Adds a line. In a fiber of the worker; does not wait.
void httpd_access_log_add(struct httpd_access_log *log, const struct httpd_access *access);

#endif
