// SPDX-License-Identifier: MIT
//
// What the raw servers share, whatever they wait with: options, the listener, the end by a signal,
// and the function that makes a reply. Everything is static inline, so the compiler sees a
// hand-written server.

#ifndef ROUSE_BENCH_IO_SERVER_H
#define ROUSE_BENCH_IO_SERVER_H

#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECV_SIZE = 16384,  // at most
    HELD_MAX = 16384,   // of an incomplete request; longer is refused
    INPUT_MAX = HELD_MAX + RECV_SIZE,
    BACKLOG = 4096,
    OPEN_FILES_MAX = 1 << 20,
};

// What a program makes of its input: the reply must stay in place until the next call.
struct answer {
    const char *reply;
    size_t reply_len;
    size_t consumed;  // the rest is an incomplete request, shown again with more behind it
    bool close;       // after the reply
};

typedef struct answer answer_fn(const char *input, size_t input_len);

struct server_options {
    struct sockaddr_in listen;
    int cpu;           // -1: not pinned
    unsigned seconds;  // 0: until a signal
};

// --- echo ----------------------------------------------------------------------------------------

static inline struct answer answer_echo(const char *input, size_t input_len)
{
    return (struct answer){.reply = input, .reply_len = input_len, .consumed = input_len};
}

// --- memory --------------------------------------------------------------------------------------

static inline char *bytes_copy(const char *from, size_t len)
{
    char *copy = malloc(len);

    if (copy == NULL) net_fail("malloc", ENOMEM);
    memcpy(copy, from, len);
    return copy;
}

// --- the start -----------------------------------------------------------------------------------

static inline int listener_open(struct sockaddr_in *address)
{
    int on = 1;
    socklen_t len = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) net_fail("socket", errno);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) net_fail("setsockopt", errno);
    // Accepted sockets inherit it, which spares a call for each of them.
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) net_fail("setsockopt", errno);
    if (bind(fd, (const struct sockaddr *)address, len) < 0) net_fail("bind", errno);
    if (listen(fd, BACKLOG) < 0) net_fail("listen", errno);
    if (getsockname(fd, (struct sockaddr *)address, &len) < 0) net_fail("getsockname", errno);
    return fd;
}

static inline void listener_announce(const struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    printf("listening on %s:%u\n", host, (unsigned)ntohs(address->sin_port));
    fflush(stdout);
}

// Signals are read from a descriptor, so that they cost a running server nothing.
static inline int stop_open(unsigned seconds)
{
    sigset_t signals;
    int fd;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGALRM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) net_fail("sigprocmask", errno);
    fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) net_fail("signalfd", errno);
    alarm(seconds);
    return fd;
}

static inline struct server_options server_options_parse(int argc, char **argv, const char *about)
{
    static const struct option names[] = {{"listen", required_argument, NULL, 'l'},
                                          {"cpu", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct server_options options = {.listen = net_parse_loopback("--listen", "127.0.0.1:0"),
                                     .cpu = -1};
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'l':
            options.listen = net_parse_loopback("--listen", optarg);
            break;
        case 'c':
            options.cpu = (int)net_parse_count("--cpu", optarg, 0, 1023);
            break;
        case 's':
            options.seconds = (unsigned)net_parse_count("--seconds", optarg, 0, 86400);
            break;
        case 'h':
            printf("%s\n\n"
                   "  --listen ADDR:PORT  a loopback address (default 127.0.0.1:0; 0: any port)\n"
                   "  --cpu N             run on this core only\n"
                   "  --seconds N         end after so long (default: at SIGTERM or SIGINT)\n"
                   "  --help              this text\n",
                   about);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc) net_misuse("a command that takes options only", argv[optind]);
    return options;
}

#endif
