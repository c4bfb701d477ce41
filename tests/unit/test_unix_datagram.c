// SPDX-License-Identifier: MIT
//
// Unix datagram sockets: by path, by abstract name, without one, in pairs; receivers that are full.
// One root fiber drives the tests and makes the claims. What all datagram sockets do is in
// test_udp.c and test_udp_batch.c.

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "udp_pair.h"

// An abstract name of this process.
static struct rouse_addr address_of(const char *name)
{
    struct rouse_addr address;
    char text[64];
    int size = snprintf(text, sizeof text, "rouse-%d-%s", (int)getpid(), name);

    must(rouse_addr_unix_abstract(&address, text, (size_t)size), "address");
    return address;
}

static struct rouse_udp *bound_to(const struct rouse_addr *address)
{
    struct rouse_udp *udp;

    must(rouse_unix_bind(&udp, address, NULL), "bind");
    return udp;
}

static void by_path(void)
{
    const struct rouse_unix_bind_options remove = {.remove_stale = true};
    char folder[] = "/tmp/rouse-unix-XXXXXX";
    struct rouse_addr address, from;
    struct rouse_udp *first, *second;
    char path[64], buf[8];
    size_t length;

    must(mkdtemp(folder) != NULL ? 0 : -errno, "mkdtemp");
    snprintf(path, sizeof path, "%s/socket", folder);
    must(rouse_addr_unix(&address, path), "address");
    must(rouse_unix_bind(&first, &address, NULL), "bind");
    must(rouse_unix_bind(&second, NULL, NULL), "bind");
    claim(rouse_udp_send_to(second, "longer than eight", 17, &address) == 17 &&
              rouse_udp_recv_from(first, buf, sizeof buf, &from, &length) == 8 && length == 17 &&
              from.length == 0,
          "one_without_a_name_sends_and_what_is_cut_off_is_told");
    rouse_udp_unref(second);
    claim(rouse_unix_bind(&second, &address, &remove) == -EADDRINUSE, "a_bound_path_is_not_stale");
    rouse_udp_unref(first);
    claim(rouse_unix_bind(&second, &address, NULL) == -EADDRINUSE &&
              rouse_unix_bind(&second, &address, &remove) == 0,
          "a_stale_one_is_removed_if_told");
    rouse_udp_unref(second);
    must(unlink(path) == 0 ? 0 : -errno, "unlink");
    must(rmdir(folder) == 0 ? 0 : -errno, "rmdir");
    struct rouse_udp *lonely = bound_to(NULL);

    claim(rouse_udp_send_to(lonely, "x", 1, &address) == -ENOENT, "a_path_may_be_gone");
    rouse_udp_unref(lonely);
    address = rouse_addr_loopback(1);
    claim(rouse_unix_bind(&second, &address, NULL) == -EAFNOSUPPORT, "an_ip_address_is_refused");
}

static void by_name(void)
{
    struct rouse_addr a = address_of("a");
    struct rouse_addr b = address_of("b");
    struct rouse_udp *near = bound_to(&a);
    struct rouse_udp *far = bound_to(&b);
    struct rouse_addr from;
    char buf[8];

    claim(rouse_udp_send_to(near, "hello", 5, &b) == 5 &&
              rouse_udp_recv_from(far, buf, sizeof buf, &from, NULL) == 5 &&
              rouse_addr_equal(&from, &a) && rouse_udp_send_to(far, "back", 4, &from) == 4 &&
              rouse_udp_recv(near, buf, sizeof buf) == 4,
          "a_datagram_comes_from_a_name_and_can_be_answered");
    claim(rouse_udp_send_to(near, "", 0, &b) == 0 && rouse_udp_recv(far, buf, sizeof buf) == 0,
          "an_empty_one_is_one");
    must(rouse_udp_connect(near, &b), "connect");
    rouse_udp_unref(far);
    claim(rouse_udp_send(near, "x", 1) == -ECONNREFUSED && rouse_udp_connect(near, &b) < 0,
          "a_receiver_that_is_gone_refuses");
    claim(rouse_udp_set_gro(near, true) == -EOPNOTSUPP && !rouse_udp_can_segment(near),
          "what_is_udps_alone_is_refused");
    const struct rouse_datagram segments = {.buf = buf, .size = 8, .segment_size = 2, .addr = a};

    claim(rouse_udp_send_many(near, &segments, 1) == -EOPNOTSUPP, "segments_too");
    rouse_udp_unref(near);
}

static void pairs(void)
{
    struct rouse_udp *ends[2];
    struct rouse_datagram out[3] = {
        {.buf = "one", .size = 3}, {.buf = "", .size = 0}, {.buf = "three", .size = 5}};
    struct rouse_datagram in[4];
    char bufs[4][8];

    must(rouse_unix_datagram_pair(ends), "pair");
    for (int i = 0; i < 4; i++) in[i] = (struct rouse_datagram){.buf = bufs[i], .size = 8};
    claim(rouse_udp_send_many(ends[0], out, 3) == 3 && rouse_udp_recv_many(ends[1], in, 4) == 3 &&
              in[0].received == 3 && in[1].received == 0 && in[2].received == 5 &&
              in[2].addr.length == 0,
          "a_pair_carries_batches");
    rouse_udp_unref(ends[0]);
    claim(rouse_udp_send(ends[1], "x", 1) == -ECONNREFUSED, "an_end_that_is_gone_refuses");
    rouse_udp_unref(ends[1]);
}

// ---- Full receivers ----

// Fills the receiver; how many it took.
static int fill(struct rouse_udp *from, const struct rouse_addr *to)
{
    int count = 0;

    while (rouse_udp_try_send_to(from, "x", 1, to) == 1) count++;
    return count;
}

struct drain {
    struct rouse_udp *udp;
    int count;
};

static int drain_later(void *arg)
{
    const struct drain *drain = arg;
    char byte;
    int i = 0;

    rouse_sleep(5 * ROUSE_NS_PER_MS);
    while (i < drain->count && rouse_udp_recv(drain->udp, &byte, 1) == 1) i++;
    return i;
}

// A send with the address, and one of a connected socket: only the second is told of room.
static void full_receiver(void)
{
    struct rouse_addr address = address_of("full");
    struct rouse_udp *receiver = bound_to(&address);
    struct rouse_udp *sender = bound_to(NULL);
    struct rouse_udp *friend = bound_to(NULL);
    struct rouse_join_handle drainer;
    struct rouse_udp_send send;
    struct rouse_borrow lent;
    char text[60];

    must(rouse_udp_connect(friend, &address), "connect");
    struct drain drain = {.udp = receiver, .count = fill(sender, &address) + 2};

    claim(drain.count > 2 && rouse_udp_try_send_to(friend, "x", 1, NULL) == -EAGAIN,
          "a_receiver_is_full");
    rouse_udp_send_init(&send, sender, "x", 1, &address);
    rouse_borrow_init(&lent, &send.base);
    claim(rouse_await_until(&lent.base, rouse_deadline_after(5 * ROUSE_NS_PER_MS)) == -ETIMEDOUT,
          "a_send_to_it_waits");
    send.base.vtable->describe(&send.base, text, sizeof text);
    claim(strncmp(text, "pause before a full socket", 26) == 0, "and_says_for_what");
    rouse_future_drop(&send.base);

    must(rouse_spawn(&drainer, drain_later, &drain), "spawn");
    claim(rouse_udp_send_to(sender, "x", 1, &address) == 1, "it_ends_when_there_is_room");
    claim(rouse_udp_send(friend, "x", 1) == 1, "so_does_that_of_a_connected_one");
    claim(rouse_join(&drainer) == drain.count, "and_every_datagram_arrives_once");

    drain.count = fill(sender, &address) + 1;
    must(rouse_spawn(&drainer, drain_later, &drain), "spawn");
    claim(rouse_udp_send(friend, "x", 1) == 1 && rouse_join(&drainer) == drain.count,
          "a_connected_one_is_told_by_an_event");
    rouse_udp_unref(receiver);
    rouse_udp_unref(sender);
    rouse_udp_unref(friend);
}

static void full_receiver_of_many(void)
{
    struct rouse_addr address = address_of("full");
    struct rouse_udp *receiver = bound_to(&address);
    struct rouse_udp *sender = bound_to(NULL);
    struct rouse_join_handle drainer;
    struct rouse_udp_send_many send;
    struct rouse_datagram out[2] = {{.buf = "x", .size = 1, .addr = address},
                                    {.buf = "x", .size = 1, .addr = address}};
    struct rouse_borrow lent;
    struct drain drain = {.udp = receiver, .count = fill(sender, &address)};
    char text[60];
    int sent = 0;

    rouse_udp_send_many_init(&send, sender, out, 2);
    rouse_borrow_init(&lent, &send.base);
    claim(rouse_await_until(&lent.base, rouse_deadline_after(5 * ROUSE_NS_PER_MS)) == -ETIMEDOUT,
          "a_batch_to_it_waits");
    send.base.vtable->describe(&send.base, text, sizeof text);
    claim(strncmp(text, "pause before a full socket", 26) == 0, "and_says_for_what");
    rouse_future_drop(&send.base);
    drain.count += 2;
    must(rouse_spawn(&drainer, drain_later, &drain), "spawn");
    while (sent < 2) {
        int result = rouse_udp_send_many(sender, out + sent, (unsigned)(2 - sent));

        must(result, "send");
        sent += result;
    }
    claim(rouse_join(&drainer) == drain.count, "and_arrives_when_there_is_room");

    // Closed while it pauses.
    (void)fill(sender, &address);
    rouse_udp_send_many_init(&send, sender, out, 2);
    rouse_borrow_init(&lent, &send.base);
    must(rouse_await_until(&lent.base, rouse_deadline_after(ROUSE_NS_PER_MS)) == -ETIMEDOUT
             ? 0
             : -1,
         "wait");
    rouse_udp_close(sender);
    must(rouse_await(&send.base), "await");
    claim(send.output == -EBADF, "a_close_ends_the_pause");
    rouse_udp_unref(receiver);
    rouse_udp_unref(sender);
}

// ---- Full senders ----

enum { ROOM = 16 };

struct datagrams {
    struct rouse_datagram messages[ROUSE_UDP_BATCH_MAX];
    char bufs[ROUSE_UDP_BATCH_MAX][ROOM];
};

static void datagrams_init(struct datagrams *set)
{
    for (int i = 0; i < ROUSE_UDP_BATCH_MAX; i++) {
        set->messages[i] = (struct rouse_datagram){.buf = set->bufs[i], .size = ROOM};
        memset(set->bufs[i], i, ROOM);
    }
}

static int recv_later(void *arg)
{
    struct rouse_udp *udp = arg;
    struct datagrams in;
    int total = 0;
    int count;

    datagrams_init(&in);
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    while ((count = rouse_udp_recv_many(udp, in.messages, ROUSE_UDP_BATCH_MAX)) > 0) {
        total += count;
        if (in.messages[count - 1].received == 1) break;  // the last one
    }
    return total;
}

// The two ends of a pair are limited by the sender's buffer.
static void full_sender(void)
{
    struct rouse_udp *ends[2];
    struct rouse_join_handle receiver;
    const struct rouse_datagram last = {.buf = "x", .size = 1};
    struct datagrams out;
    int sent = 0;
    int result;

    datagrams_init(&out);
    must(rouse_unix_datagram_pair(ends), "pair");
    for (;;) {
        result = rouse_udp_try_send_many(ends[0], out.messages, ROUSE_UDP_BATCH_MAX);
        if (result < 0) break;
        sent += result;
    }
    claim(result == -EAGAIN && sent > 0, "a_full_sender_takes_a_part_and_then_would_wait");
    must(rouse_spawn(&receiver, recv_later, ends[1]), "spawn");
    claim(rouse_udp_send_many(ends[0], &last, 1) == 1, "a_send_waits_until_there_is_room");
    claim(rouse_join(&receiver) == sent + 1, "and_nothing_is_lost");
    rouse_udp_unref(ends[0]);
    rouse_udp_unref(ends[1]);
}

// ---- Failing calls ----

static atomic_int calls_left;

static int failing_socket(int domain, int type, int protocol)
{
    if (atomic_fetch_sub(&calls_left, 1) == 1) return -ENFILE;
    return rs_sys_real.socket(domain, type, protocol);
}

static int failing_bind(int fd, const struct sockaddr *name, socklen_t length)
{
    if (atomic_fetch_sub(&calls_left, 1) == 1) return -ENFILE;
    return rs_sys_real.bind(fd, name, length);
}

static int failing_socketpair(int domain, int type, int protocol, int fds[2])
{
    if (atomic_fetch_sub(&calls_left, 1) == 1) return -ENFILE;
    return rs_sys_real.socketpair(domain, type, protocol, fds);
}

static void failing_calls(void)
{
    struct rouse_addr address = address_of("fault");
    struct rouse_udp *ends[2];
    struct rouse_udp *udp;
    int failed = 0;

    rs_sys.socket = failing_socket;
    rs_sys.bind = failing_bind;
    rs_sys.socketpair = failing_socketpair;
    for (int n = 1; n <= 2; n++) {
        atomic_store(&calls_left, n);
        failed += rouse_unix_bind(&udp, &address, NULL) == -ENFILE;
    }
    atomic_store(&calls_left, 1);
    failed += rouse_unix_datagram_pair(ends) == -ENFILE;
    atomic_store(&calls_left, 0);
    claim(failed == 3, "each_call_that_fails_is_told");
    rs_sys.socket = rs_sys_real.socket;
    rs_sys.bind = rs_sys_real.bind;
    rs_sys.socketpair = rs_sys_real.socketpair;
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 200; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int run_all(void *arg)
{
    int before = descriptors();

    (void)arg;
    by_path();
    by_name();
    pairs();
    full_receiver();
    full_receiver_of_many();
    full_sender();
    failing_calls();
    claim(descriptors() == before, "no_descriptor_is_left");
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0, "no_socket_is_left");
    claim(stats.allocations == 0 && stats.allocated_bytes == 0, "no_memory_is_left");
    return claims_end();
}
