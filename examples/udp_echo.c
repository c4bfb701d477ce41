// SPDX-License-Identifier: MIT
//
// A UDP echo server. Under load many datagrams come with one system call and go back with another;
// what the socket does not take at once waits, and what is too long for its buffer is not echoed.

#include <errno.h>
#include <rouse.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = ROUSE_UDP_BATCH_MAX, ROOM = 2048 };

static struct rouse_datagram messages[BATCH];
static char bufs[BATCH][ROOM];

// What came in goes out to where it came from. Returns how many there are to send.
static unsigned turn_round(int received)
{
    unsigned count = 0;

    for (int i = 0; i < received; i++) {
        if (messages[i].truncated) continue;
        struct rouse_datagram kept = messages[i];

        messages[i] = messages[count];
        messages[count] = kept;
        messages[count++].size = kept.received;
    }
    return count;
}

// An error belongs to one datagram, the first that is left: it is dropped, and the others go on.
static int send_all(struct rouse_udp *udp, unsigned count)
{
    for (unsigned sent = 0; sent < count;) {
        int n = rouse_udp_send_many(udp, messages + sent, count - sent);

        if (n == -EBADF || n == -ECANCELED) return n;
        sent += n > 0 ? (unsigned)n : 1;
    }
    return 0;
}

static int echo(struct rouse_udp *udp)
{
    for (;;) {
        for (int i = 0; i < BATCH; i++) messages[i].size = ROOM;
        int received = rouse_udp_recv_many(udp, messages, BATCH);
        int err = received < 0 ? received : send_all(udp, turn_round(received));

        if (err < 0) return err;
    }
}

int main(int argc, char **argv)
{
    struct rouse_addr address = rouse_addr_loopback(7777);
    char text[ROUSE_ADDR_TEXT_MAX];
    struct rouse_udp *udp;

    if (argc > 1 && (argc != 3 || strcmp(argv[1], "--listen") != 0 ||
                     rouse_addr_parse(&address, argv[2]) < 0)) {
        printf("Usage: udp_echo [--listen ADDRESS]\n");
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    for (int i = 0; i < BATCH; i++) messages[i].buf = bufs[i];
    int err = rouse_udp_bind(&udp, &address, NULL);

    if (err == 0) err = rouse_udp_local_address(udp, &address);
    if (err < 0) {
        fprintf(stderr, "udp_echo: %s\n", rouse_strerror(err));
        return 1;
    }
    rouse_addr_format(&address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
    err = echo(udp);
    rouse_udp_unref(udp);
    return err == 0 ? 0 : 1;
}
