// SPDX-License-Identifier: MIT
//
// The raw peer of an HTTP server: what a program without a runtime gets from epoll on one thread.

#include "epoll_server.h"
#include "http.h"

int main(int argc, char **argv)
{
    static struct server server;
    struct server_options options =
        server_options_parse(argc, argv, "An HTTP server of 13 bytes: one thread, one epoll.");

    server_open(&server, &options);
    server_run(&server, answer_http);
    server_close(&server);
    return EXIT_SUCCESS;
}
