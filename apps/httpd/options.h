// SPDX-License-Identifier: MIT
//
// What the command line asks for.
#ifndef HTTPD_OPTIONS_H
#define HTTPD_OPTIONS_H

#include "common/acceptors.h"
#include "common/command_line.h"
#include "request.h"

#define HTTPD_VERSION "0.1.0"

// Never changes after the parse, so threads may share it. Its texts are those of argv.
struct httpd_options {
    struct app_addresses listen;
    unsigned workers;        // 0: as many as the runtime finds right
    unsigned connections;    // at most; 0: as many as descriptors allow
    const char *root;        // the folder to serve
    const char *access_log;  // a file, "-", or NULL
    const char *reactor;     // or NULL
    uint64_t idle_ns;        // between two requests, and between two pieces of one
    uint64_t request_ns;     // from the first byte of a request to its last
    uint64_t grace_ns;       // for requests in progress at the end
    struct http_limits limits;
    bool has_console;
    const char *console;  // where it listens, or NULL
    bool allow_control;   // by its buttons
    bool has_demo;
};

enum app_verdict httpd_options_parse(struct httpd_options *out, int argc, char **argv);

#endif
