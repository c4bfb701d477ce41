// SPDX-License-Identifier: MIT
//
// The access log: a line for each answer, in the form most tools call "combined".
//
//     127.0.0.1 - - [24/May/2026:07:31:02 +0000] "GET /a.css HTTP/1.1" 200 1270 "-" "curl/7.88.1"
//
// Each worker has one, and only its fibers use it: see common/line_log.h.
#ifndef HTTPD_ACCESS_LOG_H
#define HTTPD_ACCESS_LOG_H

#include "common/line_log.h"
#include "request.h"

struct httpd_access_log {
    struct app_line_log lines;
    int64_t time_s;  // of `time`
    char time[32];
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
