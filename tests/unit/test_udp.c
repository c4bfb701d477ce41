// SPDX-License-Identifier: MIT
//
// Datagram sockets over loopback: binding, connecting, options, one datagram at a time, what is cut
// off, refused, cancelled, closed. One root fiber drives the tests and makes the claims; system
// calls are replaced where the kernel would not fail by itself.

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "udp_pair.h"

static int get_option(const struct rouse_udp *udp, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    must(getsockopt(udp_number(udp), level, name, &value, &length), "getsockopt");
    return value;
}

// ---- Objects ----

static void options(void)
{
    const struct rouse_udp_options all = {
        .size = sizeof all,
        .reuse_addr = true,
        .reuse_port = true,
        .broadcast = true,
        .receive_buffer = 20000,
        .send_buffer = 30000};
    const struct rouse_udp_options wrong = {.receive_buffer = -1};
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_addr none = {0};
    struct rouse_udp *first, *second;

    must(rouse_udp_bind(&first, &any, &all), "bind");
    claim(get_option(first, SOL_SOCKET, SO_REUSEADDR) == 1 &&
              get_option(first, SOL_SOCKET, SO_REUSEPORT) == 1 &&
              get_option(first, SOL_SOCKET, SO_BROADCAST) == 1 &&
              get_option(first, SOL_SOCKET, SO_RCVBUF) >= 20000 &&
              get_option(first, SOL_SOCKET, SO_SNDBUF) >= 30000,
          "each_option_is_set");
    must(rouse_udp_local_address(first, &any), "local address");
    claim(rouse_addr_port(&any) != 0, "a_free_port_is_picked");
    claim(rouse_udp_bind(&second, &any, &all) == 0, "a_port_is_shared_if_both_say_so");
    rouse_udp_unref(second);
    claim(rouse_udp_bind(&second, &any, NULL) == -EADDRINUSE, "and_else_it_is_not");
    rouse_udp_unref(first);
    claim(rouse_udp_bind(&second, &any, &wrong) == -EINVAL, "no_buffer_is_negative");
    claim(rouse_udp_bind(&second, &none, NULL) == -EAFNOSUPPORT, "no_address_is_no_udp_address");
}

static atomic_bool no_ipv6;

static int failing_socket(int domain, int type, int protocol)
{
    if (domain == AF_INET6 && atomic_load(&no_ipv6)) return -EAFNOSUPPORT;
    return rs_sys_real.socket(domain, type, protocol);
}

static void every_address(void)
{
    const struct rouse_udp_options only = {.ipv6_only = true};
    struct rouse_addr all, local;
    struct rouse_udp *udp;
    char buf[4];

    must(rouse_addr_parse(&all, "*:0"), "address");
    for (int i = 0; i < 2; i++) {
        struct rouse_udp *sender = udp_new(NULL);

        atomic_store(&no_ipv6, i == 1);
        must(rouse_udp_bind(&udp, &all, NULL), "bind");
        must(rouse_udp_local_address(udp, &local), "local address");
        struct rouse_addr to = rouse_addr_loopback(rouse_addr_port(&local));

        claim(rouse_udp_send_to(sender, "all", 3, &to) == 3 && rouse_udp_recv(udp, buf, 4) == 3,
              i == 0 ? "every_address_takes_ipv4_too"
                     : "without_ipv6_every_address_is_every_ipv4_address");
        rouse_udp_unref(udp);
        rouse_udp_unref(sender);
    }
    claim(rouse_udp_bind(&udp, &all, &only) == -EAFNOSUPPORT, "unless_only_ipv6_is_wanted");
    atomic_store(&no_ipv6, false);
}

static void shares(void)
{
    struct rouse_addr address;
    struct rouse_udp *udp = udp_new(&address);
    char buf[4];

    claim(rouse_udp_ref(udp) == udp, "a_share_is_the_socket");
    rouse_udp_unref(udp);
    rouse_udp_unref(NULL);
    claim(rouse_udp_send_to(udp, "x", 1, &address) == 1 && rouse_udp_recv(udp, buf, 4) == 1,
          "a_share_keeps_it_open");
    rouse_udp_close(udp);
    rouse_udp_close(udp);
    claim(rouse_udp_recv(udp, buf, 4) == -EBADF && rouse_udp_send(udp, buf, 4) == -EBADF &&
              rouse_udp_try_recv_from(udp, buf, 4, NULL, NULL) == -EBADF &&
              rouse_udp_try_send_to(udp, buf, 4, NULL) == -EBADF &&
              rouse_udp_connect(udp, &address) == -EBADF &&
              rouse_udp_set_gro(udp, true) == -EBADF && !rouse_udp_can_segment(udp) &&
              rouse_udp_local_address(udp, &address) == -EBADF,
          "every_call_on_a_closed_socket_says_so");
    rouse_udp_unref(udp);
}

// ---- One at a time ----

static void one_datagram(void)
{
    struct rouse_addr near_address, far_address, from;
    struct rouse_udp *near = udp_new(&near_address);
    struct rouse_udp *far = udp_new(&far_address);
    size_t length = 0;
    char buf[8];

    claim(rouse_udp_try_recv_from(far, buf, sizeof buf, &from, &length) == -EAGAIN,
          "a_try_to_receive_nothing_would_wait");
    claim(rouse_udp_send_to(near, "hello", 5, &far_address) == 5 &&
              rouse_udp_recv_from(far, buf, sizeof buf, &from, &length) == 5 && length == 5 &&
              memcmp(buf, "hello", 5) == 0 && rouse_addr_equal(&from, &near_address),
          "a_datagram_arrives_and_says_from_where");
    claim(rouse_udp_try_send_to(far, "olleh", 5, &from) == 5 &&
              rouse_udp_try_recv_from(near, buf, sizeof buf, &from, NULL) == 5 &&
              rouse_addr_equal(&from, &far_address),
          "an_answer_goes_back");
    claim(rouse_udp_send_to(near, NULL, 0, &far_address) == 0 &&
              rouse_udp_recv_from(far, buf, sizeof buf, &from, &length) == 0 && length == 0 &&
              rouse_addr_equal(&from, &near_address),
          "an_empty_datagram_is_one_too");
    claim(rouse_udp_send(near, "x", 1) == -EDESTADDRREQ,
          "without_an_address_there_must_be_a_connected_peer");
    static char large[70000];

    claim(rouse_udp_send_to(near, large, sizeof large, &far_address) == -EMSGSIZE,
          "what_is_too_long_is_not_sent");
    rouse_udp_unref(near);
    rouse_udp_unref(far);
}

static void truncation(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_udp_recv recv;
    size_t length = 0;
    char buf[8] = "........";

    must(rouse_udp_send(pair.near, "longer than four", 16), "send");
    claim(rouse_udp_recv_from(pair.far, buf, 4, NULL, &length) == 4 && length == 16 &&
              memcmp(buf, "long....", 8) == 0,
          "what_does_not_fit_is_cut_off_and_the_whole_length_told");
    must(rouse_udp_send(pair.near, "longer than four", 16), "send");
    rouse_udp_recv_init(&recv, pair.far, buf, 4);
    must(rouse_await(&recv.base), "await");
    claim(recv.output == 4 && recv.length == 16 && recv.truncated &&
              rouse_future_result(&recv.base) == 4,
          "a_future_says_that_it_was_cut");
    must(rouse_udp_send(pair.near, "four", 4), "send");
    rouse_udp_recv_init(&recv, pair.far, buf, 4);
    must(rouse_await(&recv.base), "await");
    claim(recv.output == 4 && recv.length == 4 && !recv.truncated, "what_fits_exactly_is_not");
    must(rouse_udp_send(pair.near, "abc", 3), "send");
    claim(rouse_udp_recv_from(pair.far, NULL, 0, NULL, &length) == 0 && length == 3,
          "no_room_takes_a_datagram_all_the_same");
    claim(rouse_udp_try_recv_from(pair.far, buf, 4, NULL, NULL) == -EAGAIN,
          "and_nothing_of_it_is_left");
    udp_pair_free(&pair);
}

static void connected(void)
{
    struct rouse_addr near_address, far_address, found;
    const struct rouse_addr none = {0};
    struct rouse_udp *near = udp_new(&near_address);
    struct rouse_udp *far = udp_new(&far_address);
    struct rouse_udp *other = udp_new(NULL);
    char buf[8];

    claim(rouse_udp_peer_address(near, &found) == -ENOTCONN, "a_socket_has_no_peer_at_first");
    must(rouse_udp_connect(near, &far_address), "connect");
    claim(rouse_udp_peer_address(near, &found) == 0 && rouse_addr_equal(&found, &far_address),
          "a_connected_one_knows_its_peer");
    must(rouse_udp_send_to(other, "no", 2, &near_address), "send");
    must(rouse_udp_send_to(far, "yes", 3, &near_address), "send");
    claim(rouse_udp_recv(near, buf, sizeof buf) == 3, "and_hears_only_that");
    must(rouse_udp_connect(near, &none), "disconnect");
    claim(rouse_udp_peer_address(near, &found) == -ENOTCONN &&
              rouse_udp_send(near, "x", 1) == -EDESTADDRREQ,
          "until_it_is_connected_no_more");
    rouse_udp_unref(near);
    rouse_udp_unref(far);
    rouse_udp_unref(other);
}

// ---- Errors of datagrams ----

static int recv_once(void *arg)
{
    char buf[8];

    return (int)rouse_udp_recv(arg, buf, sizeof buf);
}

static void refused(void)
{
    struct rouse_addr near_address, gone;
    struct rouse_udp *near = udp_new(&near_address);
    struct rouse_udp *far = udp_new(&gone);
    struct rouse_join_handle receiver;
    char buf[8];

    rouse_udp_unref(far);
    must(rouse_udp_connect(near, &gone), "connect");
    must(rouse_spawn(&receiver, recv_once, near), "spawn");
    rouse_sleep(ROUSE_NS_PER_MS);
    claim(rouse_udp_send(near, "x", 1) == 1, "a_datagram_to_nobody_is_sent");
    claim(rouse_join(&receiver) == -ECONNREFUSED, "a_waiting_receive_hears_that_it_was_refused");
    must(rouse_udp_send(near, "x", 1), "send");
    claim(rouse_udp_send(near, "x", 1) == -ECONNREFUSED, "so_does_the_next_send");
    must(rouse_udp_bind(&far, &gone, NULL), "bind");
    claim(rouse_udp_send(near, "alive", 5) == 5 && rouse_udp_recv(far, buf, sizeof buf) == 5 &&
              rouse_udp_send_to(far, "still", 5, &near_address) == 5 &&
              rouse_udp_recv(near, buf, sizeof buf) == 5,
          "and_the_socket_lives_on");
    rouse_udp_unref(far);

    // Not connected, nobody is told.
    struct rouse_udp *loose = udp_new(NULL);

    claim(rouse_udp_send_to(loose, "x", 1, &gone) == 1 &&
              rouse_udp_send_to(loose, "x", 1, &gone) == 1,
          "a_socket_without_a_peer_hears_of_no_refusal");
    rouse_udp_unref(loose);
    rouse_udp_unref(near);
}

// How many of the next calls fail, and how.
static atomic_int calls_to_fail;
static atomic_int call_error;

static bool call_fails(void)
{
    int left = atomic_load(&calls_to_fail);

    while (left > 0 && !atomic_compare_exchange_weak(&calls_to_fail, &left, left - 1)) {
    }
    return left > 0;
}

static ssize_t failing_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (call_fails()) return -atomic_load(&call_error);
    return rs_sys_real.sendmsg(fd, message, flags);
}

static ssize_t failing_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (call_fails()) return -atomic_load(&call_error);
    return rs_sys_real.recvmsg(fd, message, flags);
}

static int failing_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    if (atomic_fetch_sub(&calls_to_fail, 1) == 1) return -atomic_load(&call_error);
    return rs_sys_real.setsockopt(fd, level, name, value, length);
}

static void failing_calls(void)
{
    static const int errors[] = {ENOBUFS, ENETUNREACH, EPERM, EHOSTUNREACH};
    const struct rouse_udp_options all = {.reuse_addr = true,
                                          .reuse_port = true,
                                          .broadcast = true,
                                          .receive_buffer = 20000,
                                          .send_buffer = 30000};
    struct udp_pair pair = udp_pair_new();
    struct rouse_addr any;
    struct rouse_udp *udp;
    bool all_told = true;
    char buf[8];

    rs_sys.sendmsg = failing_sendmsg;
    rs_sys.recvmsg = failing_recvmsg;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        atomic_store(&call_error, errors[i]);
        atomic_store(&calls_to_fail, 1);
        all_told = all_told && rouse_udp_send(pair.near, "x", 1) == -errors[i];
        all_told = all_told && rouse_udp_send(pair.near, "xy", 2) == 2;
        atomic_store(&calls_to_fail, 1);
        all_told = all_told && rouse_udp_recv(pair.far, buf, sizeof buf) == -errors[i];
        all_told = all_told && rouse_udp_recv(pair.far, buf, sizeof buf) == 2;
    }
    claim(all_told, "an_error_is_of_one_datagram_only");
    atomic_store(&call_error, EINTR);
    atomic_store(&calls_to_fail, 2);
    claim(rouse_udp_try_send_to(pair.near, "x", 1, NULL) == 1, "an_interrupted_call_is_repeated");
    atomic_store(&calls_to_fail, 0);
    rs_sys.sendmsg = rs_sys_real.sendmsg;
    rs_sys.recvmsg = rs_sys_real.recvmsg;
    udp_pair_free(&pair);

    must(rouse_addr_parse(&any, "[::1]:0"), "address");
    rs_sys.setsockopt = failing_setsockopt;
    atomic_store(&call_error, ENOPROTOOPT);
    int refusals = 0;

    for (int n = 1; n <= 6; n++) {
        atomic_store(&calls_to_fail, n);
        refusals += rouse_udp_bind(&udp, &any, &all) == -ENOPROTOOPT;
    }
    claim(refusals == 6, "a_bind_fails_with_each_of_its_options");
    atomic_store(&calls_to_fail, 0);
    rs_sys.setsockopt = rs_sys_real.setsockopt;
}

// ---- Cancelled, closed ----

static void cancelled(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_udp_recv recv;
    char buf[8];
    bool all = true;

    for (char i = 'a'; i < 'u'; i++) {
        rouse_udp_recv_init(&recv, pair.far, buf, sizeof buf);
        struct rouse_borrow lent;

        rouse_borrow_init(&lent, &recv.base);
        all = all && rouse_await_until(&lent.base, rouse_deadline_after(ROUSE_NS_PER_MS / 10)) ==
                         -ETIMEDOUT;
        must(rouse_udp_send(pair.near, &i, 1), "send");
        rouse_future_drop(&recv.base);
        all = all && rouse_udp_recv(pair.far, buf, sizeof buf) == 1 && buf[0] == i;
    }
    claim(all, "a_cancelled_receive_has_taken_no_datagram");
    udp_pair_free(&pair);
}

static int send_for_ever(void *arg)
{
    static char buf[1000];
    ssize_t result;

    do {
        result = rouse_udp_send(arg, buf, sizeof buf);
    } while (result > 0);
    return (int)result;
}

// What the socket does not take: UDP over loopback takes all.
static ssize_t blocked_sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)fd;
    (void)message;
    (void)flags;
    return -EAGAIN;
}

static void close_under_waiters(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_join_handle receivers[3], sender;
    int ended = 0;

    rs_sys.sendmsg = blocked_sendmsg;
    for (int i = 0; i < 3; i++) must(rouse_spawn(&receivers[i], recv_once, pair.far), "spawn");
    must(rouse_spawn(&sender, send_for_ever, pair.far), "spawn");
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    rouse_udp_close(pair.far);
    for (int i = 0; i < 3; i++) ended += rouse_join(&receivers[i]) == -EBADF;
    claim(ended == 3, "a_close_ends_every_waiting_receive");
    claim(rouse_join(&sender) == -EBADF, "a_close_ends_a_waiting_send");
    rs_sys.sendmsg = rs_sys_real.sendmsg;
    udp_pair_free(&pair);
}

static void descriptions(void)
{
    struct udp_pair pair = udp_pair_new();
    struct rouse_udp_recv recv;
    struct rouse_udp_send send;
    char expected[40], text[40];

    rouse_udp_recv_init(&recv, pair.near, text, sizeof text);
    rouse_udp_send_init(&send, pair.near, text, sizeof text, NULL);
    snprintf(expected, sizeof expected, "receive on fd %d", udp_number(pair.near));
    recv.base.vtable->describe(&recv.base, text, sizeof text);
    bool same = strncmp(text, expected, strlen(expected)) == 0;

    snprintf(expected, sizeof expected, "send on fd %d", udp_number(pair.near));
    send.base.vtable->describe(&send.base, text, sizeof text);
    claim(same && strncmp(text, expected, strlen(expected)) == 0, "each_says_what_it_waits_for");
    rouse_future_drop(&recv.base);
    rouse_future_drop(&send.base);
    udp_pair_free(&pair);
}

static int run_all(void *arg)
{
    (void)arg;
    options();
    every_address();
    shares();
    one_datagram();
    truncation();
    connected();
    refused();
    failing_calls();
    cancelled();
    close_under_waiters();
    descriptions();
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    rs_sys.socket = failing_socket;
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0, "no_socket_is_left");
    claim(stats.allocations == 0 && stats.allocated_bytes == 0, "no_memory_is_left");
    return claims_end();
}
