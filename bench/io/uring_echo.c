// SPDX-License-Identifier: MIT
//
// The raw peer of an echo server: what a program without a runtime gets from io_uring on one
// thread.

#include "uring_server.h"

int main(int argc, char **argv)
{
    static struct server server;
    struct server_options options =
        server_options_parse(argc, argv, "A TCP echo server: one thread, one io_uring.");

    server_open(&server, &options);
    server_run(&server, answer_echo);
    server_close(&server);
    return EXIT_SUCCESS;
}
