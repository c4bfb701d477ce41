// SPDX-License-Identifier: MIT
//
// httpd: serves a folder over HTTP/1.1. It shows what a server on rouse looks like, and is meant to
// be used. docs/httpd.md is its manual.
#include <rouse/error.h>
#include <rouse/runtime.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

enum {
    EXIT_USAGE = 2,
    BLOCKING_THREADS = 32,  // that load files
};

static int serve(const struct httpd_options *options)
{
    const struct rouse_runtime_options runtime = {
        .size = sizeof runtime,
        .workers = options->workers,
        .reactor = options->reactor,
        .blocking_threads = BLOCKING_THREADS,
    };
    struct httpd_server server;

    if (httpd_server_init(&server, options) < 0) return EXIT_FAILURE;
    int status = rouse_run_with(httpd_server_run, &server, &runtime);

    httpd_server_deinit(&server);
    if (status >= 0) return status;
    (void)fprintf(stderr, "httpd: cannot start: %s\n", rouse_strerror(status));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct httpd_options options;

    // A log that is piped to a program which ends is an error like any other.
    (void)signal(SIGPIPE, SIG_IGN);
    switch (httpd_options_parse(&options, argc, argv)) {
    case APP_RUN:
        return serve(&options);
    case APP_DONE:
        return EXIT_SUCCESS;
    default:
        return EXIT_USAGE;
    }
}
