// SPDX-License-Identifier: MIT
//
// tcp_proxy: carries TCP connections to upstreams and back, without copying their bytes into the
// program. It shows what a proxy on rouse looks like, and is meant to be used. docs/tcp_proxy.md is
// its manual.
#include <rouse/error.h>
#include <rouse/runtime.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

enum {
    EXIT_USAGE = 2,
    BLOCKING_THREADS = 2,  // that write the log
};

static int serve(const struct proxy_options *options)
{
    const struct rouse_runtime_options runtime = {
        .size = sizeof runtime,
        .workers = options->workers,
        .reactor = options->reactor,
        .blocking_threads = BLOCKING_THREADS,
    };
    struct proxy_server server;

    if (proxy_server_init(&server, options) < 0) return EXIT_FAILURE;
    int status = rouse_run_with(proxy_server_run, &server, &runtime);

    proxy_server_deinit(&server);
    if (status >= 0) return status;
    (void)fprintf(stderr, "tcp_proxy: cannot start: %s\n", rouse_strerror(status));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct proxy_options options;

    // A log that is piped to a program which ends is an error like any other.
    (void)signal(SIGPIPE, SIG_IGN);
    switch (proxy_options_parse(&options, argc, argv)) {
    case APP_RUN:
        return serve(&options);
    case APP_DONE:
        return EXIT_SUCCESS;
    default:
        return EXIT_USAGE;
    }
}
