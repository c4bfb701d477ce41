// SPDX-License-Identifier: MIT
//
// The raw peer of an HTTP server: what a program without a runtime gets from io_uring on one
// thread.

#include "http.h"
#include "uring_server.h"

int main(int argc, char **argv)
{
    static struct server server;
    struct server_options options =
        server_options_parse(argc, argv, "An HTTP server of 13 bytes: one thread, one io_uring.");

    server_open(&server, &options);
    server_run(&server, answer_http);
    server_close(&server);
    return EXIT_SUCCESS;
}
