// SPDX-License-Identifier: MIT
//
// Faults in datagrams, one at a time and many at once, and in Unix streams that carry descriptors.

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "waits.h"

enum { BATCH = 5, ROOM = 32 };

// ---- Datagrams ----

// Both ends, connected to each other; false, noted, and nothing is open.
static bool ends_make(struct rouse_udp *ends[2])
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_addr addresses[2];

    ends[0] = NULL;
    ends[1] = NULL;
    for (int i = 0; i < 2; i++) {
        if (fault_note(rouse_udp_bind(&ends[i], &any, NULL)) < 0) return false;
        if (fault_note(rouse_udp_local_address(ends[i], &addresses[i])) < 0) return false;
    }
    return fault_note(rouse_udp_connect(ends[0], &addresses[1])) == 0 &&
           fault_note(rouse_udp_connect(ends[1], &addresses[0])) == 0;
}

static bool one_goes(struct rouse_udp *ends[2])
{
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char buf[4];

    rouse_udp_send_init(&send, ends[0], "hello", 5, NULL);
    if (wait_for(&send.base) < 0 || fault_note(send.output) < 0) return false;
    rouse_udp_recv_init(&recv, ends[1], buf, sizeof buf);
    if (wait_for(&recv.base) < 0 || fault_note(recv.output) < 0) return false;
    if (recv.output != 4 || !recv.truncated || recv.length != 5 || memcmp(buf, "hell", 4) != 0) {
        fault_broken("a datagram has changed on its way");
    }
    return true;
}

static bool many_go(struct rouse_udp *ends[2])
{
    static char in_bufs[BATCH][ROOM];
    struct rouse_datagram out[BATCH], in[BATCH];
    struct rouse_udp_send_many send;
    struct rouse_udp_recv_many recv;

    for (int i = 0; i < BATCH; i++) {
        out[i] = (struct rouse_datagram){.buf = "a batch of datagrams", .size = (size_t)(3 * i)};
        in[i] = (struct rouse_datagram){.buf = in_bufs[i], .size = ROOM};
    }
    for (int sent = 0; sent < BATCH; sent += send.output) {
        rouse_udp_send_many_init(&send, ends[0], out + sent, (unsigned)(BATCH - sent));
        if (wait_for(&send.base) < 0 || fault_note(send.output) < 0) return false;
    }
    for (int received = 0; received < BATCH; received += recv.output) {
        rouse_udp_recv_many_init(&recv, ends[1], in + received, (unsigned)(BATCH - received));
        if (wait_for(&recv.base) < 0 || fault_note(recv.output) < 0) return false;
    }
    for (int i = 0; i < BATCH; i++) {
        if (in[i].received != out[i].size || memcmp(in_bufs[i], out[i].buf, out[i].size) != 0) {
            fault_broken("a batch has changed on its way");
        }
    }
    return true;
}

static int datagrams_root(void *arg)
{
    struct rouse_udp *ends[2];

    (void)arg;
    if (ends_make(ends) && one_goes(ends)) {
        step_done();
        if (many_go(ends)) step_done();
    }
    rouse_udp_unref(ends[0]);
    rouse_udp_unref(ends[1]);
    return 0;
}

static bool datagrams_run(void)
{
    with_runtime(1, datagrams_root, NULL);
    return steps_are(2);
}

// ---- Unix streams ----

// A file goes over, and is read there.
static bool file_goes(struct rouse_tcp *from, struct rouse_tcp *to)
{
    struct rouse_unix_send_fds send;
    struct rouse_unix_recv_fds recv;
    int file = memfd_create("fault", MFD_CLOEXEC);
    int got[2];
    char buf[8];

    if (file < 0 || write(file, "content", 7) != 7) {
        (void)fault_note(-errno);
        if (file >= 0) (void)close(file);
        return false;
    }
    rouse_unix_send_fds_init(&send, from, "x", 1, &file, 1);
    bool is_sent = wait_for(&send.base) == 0 && fault_note(send.output) == 1;

    (void)close(file);
    if (!is_sent) return false;
    rouse_unix_recv_fds_init(&recv, to, buf, sizeof buf, got, 2);
    if (wait_for(&recv.base) < 0 || fault_note(recv.output) < 0) return false;
    if (recv.truncated) (void)fault_note(-EMFILE);
    if (rouse_unix_recv_fds_take(&recv) != 1) return false;
    if (pread(got[0], buf, 7, 0) != 7 || memcmp(buf, "content", 7) != 0) {
        fault_broken("a passed file has other content");
    }
    (void)close(got[0]);
    return true;
}

static struct rouse_tcp *unix_connect(const struct rouse_addr *address)
{
    struct rouse_unix_connect connect;

    rouse_unix_connect_init(&connect, address);
    if (wait_for(&connect.base) < 0 || fault_note(connect.output) < 0) return NULL;
    return rouse_unix_connect_take(&connect);
}

static void accepted_talks(struct rouse_tcp_listener *listener, struct rouse_tcp *near)
{
    struct rouse_unix_credentials peer;
    struct rouse_tcp_accept accept;

    rouse_tcp_accept_init(&accept, listener);
    if (wait_for(&accept.base) < 0 || fault_note(accept.output) < 0) return;
    struct rouse_tcp *far = rouse_tcp_accept_take(&accept);

    if (fault_note(rouse_unix_peer(far, &peer)) == 0 && peer.pid == getpid()) step_done();
    if (file_goes(near, far)) step_done();
    rouse_tcp_unref(far);
}

static void listener_talks(void)
{
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    int pid = (int)getpid();

    if (fault_note(rouse_addr_unix_abstract(&address, &pid, sizeof pid)) < 0) return;
    if (fault_note(rouse_unix_listen(&listener, &address, NULL)) < 0) return;
    struct rouse_tcp *near = unix_connect(&address);

    if (near != NULL) accepted_talks(listener, near);
    rouse_tcp_unref(near);
    rouse_tcp_listener_unref(listener);
}

static int unix_root(void *arg)
{
    struct rouse_tcp *ends[2];

    (void)arg;
    listener_talks();
    if (fault_note(rouse_unix_pair(ends)) < 0) return 0;
    if (file_goes(ends[0], ends[1])) step_done();
    rouse_tcp_unref(ends[0]);
    rouse_tcp_unref(ends[1]);
    return 0;
}

static bool unix_run(void)
{
    with_runtime(1, unix_root, NULL);
    return steps_are(3);
}

const struct scenario fault_scenarios[] = {
    {.name = "datagrams", .run = datagrams_run},
    {.name = "unix", .run = unix_run},
    {.name = NULL},
};
