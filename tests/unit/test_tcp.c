// SPDX-License-Identifier: MIT
//
// TCP objects over loopback: listening, accepting, connecting, options, and every way to end. One
// root fiber drives the tests and makes the claims; system calls are replaced where the kernel
// would not fail by itself. Transfers are in test_tcp_io.c.

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "tcp_pair.h"

// ---- Replaced calls, and the log ----

// How many of the next accepts fail, and how.
static atomic_int accepts_to_fail;
static atomic_int accept_error;
static atomic_int accepts_failed;
static atomic_int no_ipv6;

// Is closed at the last moment before the next accept.
static _Atomic(struct rouse_tcp_listener *) listener_to_close;

static int failing_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    struct rouse_tcp_listener *closing = atomic_exchange(&listener_to_close, NULL);
    int left = atomic_load(&accepts_to_fail);

    if (closing != NULL) rouse_tcp_listener_close(closing);
    while (left > 0 && !atomic_compare_exchange_weak(&accepts_to_fail, &left, left - 1)) {
    }
    if (left <= 0) return rs_sys_real.accept4(fd, address, length, flags);
    atomic_fetch_add(&accepts_failed, 1);
    return -atomic_load(&accept_error);
}

static int failing_socket(int domain, int type, int protocol)
{
    if (domain == AF_INET6 && atomic_load(&no_ipv6)) return -EAFNOSUPPORT;
    return rs_sys_real.socket(domain, type, protocol);
}

// How many looks at a connection being made find it unfinished.
static atomic_int connects_to_delay;

static int delaying_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    if (count == 1 && fds[0].events == POLLOUT && timeout != NULL && timeout->tv_nsec == 0 &&
        timeout->tv_sec == 0 && atomic_load(&connects_to_delay) > 0) {
        atomic_fetch_sub(&connects_to_delay, 1);
        return 0;
    }
    return rs_sys_real.ppoll(fds, count, timeout);
}

// Refuses to watch any more descriptors: epoll says so itself, poll(2)'s back end asks first.
static atomic_bool watching_refused;

static int refusing_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_DEL && atomic_load(&watching_refused)) return -EPERM;
    return rs_sys_real.epoll_ctl(epoll_fd, operation, fd, event);
}

static int refusing_fstat(int fd, struct stat *out)
{
    return atomic_load(&watching_refused) ? -EPERM : rs_sys_real.fstat(fd, out);
}

static void fail_accepts(int count, int error)
{
    atomic_store(&accept_error, error);
    atomic_store(&accepts_failed, 0);
    atomic_store(&accepts_to_fail, count);
}

static atomic_int warnings;
static atomic_int infos;

static void count_lines(void *data, const struct rouse_log_record *record)
{
    (void)data;
    if (strncmp(record->message, "accept on fd", 12) != 0) return;
    atomic_fetch_add(record->level == ROUSE_LOG_WARN ? &warnings : &infos, 1);
}

// ---- Connecting and accepting ----

static void addresses(void)
{
    struct rouse_addr near_local, near_peer, far_local, far_peer;
    struct pair pair = pair_new();

    must(rouse_tcp_local_address(pair.near, &near_local), "local address");
    must(rouse_tcp_peer_address(pair.near, &near_peer), "peer address");
    must(rouse_tcp_local_address(pair.far, &far_local), "local address");
    must(rouse_tcp_peer_address(pair.far, &far_peer), "peer address");
    claim(rouse_addr_equal(&near_local, &far_peer) && rouse_addr_equal(&near_peer, &far_local),
          "each_end_knows_both_addresses");
    pair_free(&pair);
}

static int get_option(const struct rouse_tcp *conn, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;

    must(getsockopt(socket_number(conn), level, name, &value, &length), "getsockopt");
    return value;
}

static void options(void)
{
    struct pair pair = pair_new();

    claim(get_option(pair.near, IPPROTO_TCP, TCP_NODELAY) == 1 &&
              get_option(pair.far, IPPROTO_TCP, TCP_NODELAY) == 1,
          "both_ends_start_without_delay");
    claim(rouse_tcp_set_nodelay(pair.far, false) == 0 &&
              get_option(pair.far, IPPROTO_TCP, TCP_NODELAY) == 0,
          "the_delay_can_be_turned_on");
    claim(rouse_tcp_set_keepalive(pair.near, 60, 7, 3) == 0 &&
              get_option(pair.near, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
              get_option(pair.near, IPPROTO_TCP, TCP_KEEPIDLE) == 60 &&
              get_option(pair.near, IPPROTO_TCP, TCP_KEEPINTVL) == 7 &&
              get_option(pair.near, IPPROTO_TCP, TCP_KEEPCNT) == 3,
          "keepalive_takes_its_three_numbers");
    claim(rouse_tcp_set_keepalive(pair.near, 0, 0, 0) == 0 &&
              get_option(pair.near, SOL_SOCKET, SO_KEEPALIVE) == 0,
          "keepalive_can_be_turned_off");
    claim(rouse_tcp_set_keepalive(pair.near, UINT_MAX, 1, 1) == -EINVAL &&
              rouse_tcp_set_keepalive(pair.near, 60, 0, 3) == -EINVAL &&
              get_option(pair.near, SOL_SOCKET, SO_KEEPALIVE) == 0,
          "keepalive_refuses_numbers_out_of_range");
    pair_free(&pair);
}

static void refused(void)
{
    struct rouse_addr address;
    struct rouse_tcp *conn;
    struct rouse_addr none = {0};
    struct rouse_tcp_listener *listener = listen_anywhere(&address);

    rouse_tcp_listener_unref(listener);
    claim(rouse_tcp_connect(&conn, &address) == -ECONNREFUSED, "a_connection_to_nobody_is_refused");
    claim(rouse_tcp_connect(&conn, &none) == -EAFNOSUPPORT &&
              rouse_tcp_listen(&listener, &none, NULL) == -EAFNOSUPPORT,
          "no_address_is_no_tcp_address");
}

static void unfinished(void)
{
    struct rouse_tcp_connect connect;
    struct rouse_stats before, after;
    struct rouse_addr address = rouse_addr_loopback(0);
    struct rouse_tcp_listener *listener;
    const struct rouse_tcp_listen_options small = {.backlog = 1};
    struct rouse_tcp *conns[2];

    atomic_store(&connects_to_delay, 1);

    struct pair pair = pair_new();

    claim(atomic_load(&connects_to_delay) == 0, "a_connection_being_made_is_waited_for");
    pair_free(&pair);

    // The kernel drops what comes to a full backlog of 1 (and one more), so a third one waits.
    must(rouse_tcp_listen(&listener, &address, &small), "listen");
    must(rouse_tcp_listener_address(listener, &address), "address");
    must(rouse_tcp_connect(&conns[0], &address), "connect");
    must(rouse_tcp_connect(&conns[1], &address), "connect");
    rouse_stats_get(&before);
    rouse_tcp_connect_init(&connect, &address);
    claim(rouse_await_until(&connect.base, rouse_deadline_after(20 * ROUSE_NS_PER_MS)) ==
              -ETIMEDOUT,
          "a_connection_to_a_full_backlog_is_waited_for");
    rouse_stats_get(&after);
    claim(after.sockets == before.sockets && rouse_tcp_connect_take(&connect) == NULL,
          "a_dropped_connect_closes_its_socket");
    rouse_tcp_unref(conns[0]);
    rouse_tcp_unref(conns[1]);
    rouse_tcp_listener_unref(listener);
}

static void listening(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *first = listen_anywhere(&address);
    struct rouse_tcp_listener *second;
    const struct rouse_tcp_listen_options share = {.reuse_port = true};
    const struct rouse_tcp_listen_options wrong = {.backlog = -1};
    struct rouse_addr any = rouse_addr_loopback(0);

    claim(rouse_tcp_listen(&second, &address, NULL) == -EADDRINUSE, "a_port_in_use_is_refused");
    claim(rouse_tcp_listen(&second, &any, &wrong) == -EINVAL, "a_negative_backlog_is_refused");
    rouse_tcp_listener_unref(first);

    must(rouse_tcp_listen(&first, &any, &share), "listen");
    must(rouse_tcp_listener_address(first, &address), "address");
    claim(rouse_tcp_listen(&second, &address, &share) == 0, "listeners_may_share_a_port");
    rouse_tcp_listener_unref(first);
    rouse_tcp_listener_unref(second);
}

// A listener on `text`, reached through 127.0.0.1.
static bool is_reached(const char *text, sa_family_t family)
{
    struct rouse_addr address, loopback, found;
    struct rouse_tcp_listener *listener;
    struct rouse_tcp *near, *far;

    must(rouse_addr_parse(&address, text), "parse");
    must(rouse_tcp_listen(&listener, &address, NULL), "listen");
    must(rouse_tcp_listener_address(listener, &found), "address");
    loopback = rouse_addr_loopback(rouse_addr_port(&found));
    if (rouse_tcp_connect(&near, &loopback) < 0) return false;
    must(rouse_tcp_accept(listener, &far), "accept");
    rouse_tcp_unref(near);
    rouse_tcp_unref(far);
    rouse_tcp_listener_unref(listener);
    return found.storage.ss_family == family;
}

static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    if (fd >= 0) close(fd);
    return fd >= 0;
}

static void every_address(void)
{
    claim(is_reached("*:0", has_ipv6() ? AF_INET6 : AF_INET),
          "a_listener_on_every_address_takes_ipv4_too");
    atomic_store(&no_ipv6, 1);
    claim(is_reached(":0", AF_INET), "without_ipv6_every_address_is_every_ipv4_address");
    atomic_store(&no_ipv6, 0);
}

static void by_name(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_tcp *conn = NULL;
    char service[8];

    snprintf(service, sizeof service, "%u", (unsigned)rouse_addr_port(&address));
    claim(rouse_tcp_connect_name(&conn, "localhost", service) == 0, "a_name_is_connected_to");
    rouse_tcp_unref(conn);
    claim(rouse_tcp_connect_name(&conn, "127.0.0.1", "no-such-service") == -ENOENT,
          "an_unknown_service_is_no_entry");
    rouse_tcp_listener_unref(listener);
    claim(rouse_tcp_connect_name(&conn, "localhost", service) == -ECONNREFUSED,
          "a_name_that_refuses_gives_the_last_addresss_error");
}

enum { ACCEPTORS = 4 };

static int accept_one(void *arg)
{
    struct rouse_tcp *conn;
    int err = rouse_tcp_accept(arg, &conn);

    if (err == 0) rouse_tcp_unref(conn);
    return err;
}

static void several_acceptors(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_join_handle acceptors[ACCEPTORS];
    struct rouse_tcp *conns[ACCEPTORS];
    int64_t sum = 0;

    for (int i = 0; i < ACCEPTORS; i++) {
        must(rouse_spawn(&acceptors[i], accept_one, listener), "spawn");
    }
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    for (int i = 0; i < ACCEPTORS; i++) {
        must(rouse_tcp_connect(&conns[i], &address), "connect");
    }
    for (int i = 0; i < ACCEPTORS; i++) {
        sum += rouse_join(&acceptors[i]);
        rouse_tcp_unref(conns[i]);
    }
    claim(sum == 0, "each_waiting_acceptor_gets_a_connection");
    rouse_tcp_listener_unref(listener);
}

static void closed_while_it_is_tried(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_tcp *conn;

    atomic_store(&listener_to_close, listener);
    claim(rouse_tcp_accept(listener, &conn) == -EBADF,
          "an_accept_in_the_kernel_when_the_listener_is_closed_ends_with_EBADF");
    rouse_tcp_listener_unref(listener);
}

static void unclaimed(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_tcp_accept accept;
    struct rouse_tcp_connect connect;
    struct rouse_tcp *conn;
    char byte;

    rouse_tcp_accept_init(&accept, listener);
    claim(rouse_tcp_accept_take(&accept) == NULL, "an_accept_that_has_not_ended_has_no_connection");
    must(rouse_tcp_connect(&conn, &address), "connect");
    must(rouse_await(&accept.base), "await");
    rouse_future_drop(&accept.base);
    claim(rouse_tcp_read(conn, &byte, 1) == 0 && rouse_tcp_accept_take(&accept) == NULL,
          "a_connection_that_nobody_took_is_closed_with_the_accept");
    rouse_tcp_unref(conn);

    rouse_tcp_connect_init(&connect, &address);
    must(rouse_await(&connect.base), "await");
    must(rouse_tcp_accept(listener, &conn), "accept");
    claim(rouse_future_result(&connect.base) == 0, "an_ended_connect_has_its_result");
    rouse_future_drop(&connect.base);
    claim(rouse_tcp_read(conn, &byte, 1) == 0,
          "a_connection_that_nobody_took_is_closed_with_the_connect");
    rouse_tcp_unref(conn);
    rouse_tcp_listener_unref(listener);
}

// ---- Failing accepts ----

static void broken_connections(void)
{
    static const int errors[] = {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EPERM, EINTR};
    bool all = true;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fail_accepts(3, errors[i]);

        struct pair pair = pair_new();

        all = all && atomic_load(&accepts_failed) == 3;
        pair_free(&pair);
    }
    claim(all && atomic_load(&warnings) == 0, "broken_connections_are_skipped_in_silence");

    uint64_t start = rouse_now_ns();

    fail_accepts(40, EPERM);

    struct pair pair = pair_new();

    claim(rouse_now_ns() - start >= 5 * ROUSE_NS_PER_MS && atomic_load(&warnings) == 1,
          "an_endless_row_of_broken_connections_is_not_spun_through");
    pair_free(&pair);
}

// What an accept gives when nobody connects; one that tries for ever gives -ETIMEDOUT.
static int accept_alone(struct rouse_tcp_listener *listener)
{
    struct rouse_tcp_accept accept;

    rouse_tcp_accept_init(&accept, listener);
    int err = rouse_await_until(&accept.base, rouse_deadline_after(10 * ROUSE_NS_PER_S));

    return err < 0 ? err : accept.output;
}

// An accept4() that says EPERM is a firewall's; an EPERM about watching is the listener's own end.
static void listener_that_cannot_be_watched(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_tcp *near;
    struct rouse_tcp *far;

    atomic_store(&watching_refused, true);
    fail_accepts(3, EPERM);
    claim(accept_alone(listener) == -EPERM && atomic_load(&accepts_failed) == 3,
          "an_accept_that_cannot_wait_says_so_after_what_a_firewall_refused");
    claim(accept_alone(listener) == -EPERM, "and_so_does_the_next_one");
    atomic_store(&watching_refused, false);
    must(rouse_tcp_connect(&near, &address), "connect");
    int err = rouse_tcp_accept(listener, &far);
    claim(err == 0, "the_listener_goes_on_when_it_can");
    if (err == 0) rouse_tcp_unref(far);
    rouse_tcp_unref(near);
    rouse_tcp_listener_unref(listener);
}

static void limits(void)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    bool all = true;

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        uint64_t start = rouse_now_ns();

        atomic_store(&warnings, 0);
        atomic_store(&infos, 0);
        fail_accepts(3, errors[i]);

        struct pair pair = pair_new();

        // Pauses of 5, 10 and 20 ms.
        all = all && rouse_now_ns() - start >= 35 * ROUSE_NS_PER_MS;
        all = all && atomic_load(&accepts_failed) == 3;
        all = all && atomic_load(&warnings) == 1 && atomic_load(&infos) == 1;
        pair_free(&pair);
    }
    claim(all, "at_a_limit_an_accept_backs_off_doubling_and_says_so_once");
}

static void limit_with_waiters(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_join_handle first, second;
    struct rouse_tcp *conns[2];

    must(rouse_spawn(&first, accept_one, listener), "spawn");
    must(rouse_spawn(&second, accept_one, listener), "spawn");
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    fail_accepts(1, EMFILE);
    must(rouse_tcp_connect(&conns[0], &address), "connect");
    must(rouse_tcp_connect(&conns[1], &address), "connect");
    claim(rouse_join(&first) == 0 && rouse_join(&second) == 0 && atomic_load(&accepts_failed) == 1,
          "an_acceptor_that_backs_off_leaves_its_event_to_the_next");
    rouse_tcp_unref(conns[0]);
    rouse_tcp_unref(conns[1]);

    // The pause is on when the abort comes.
    fail_accepts(1000, EMFILE);
    must(rouse_spawn(&first, accept_one, listener), "spawn");
    rouse_sleep(10 * ROUSE_NS_PER_MS);
    claim(rouse_abort_and_wait(&first) == -ECANCELED, "an_accept_can_be_cancelled_in_its_pause");
    fail_accepts(0, 0);
    rouse_tcp_listener_unref(listener);
}

// ---- The end ----

static int read_one(void *arg)
{
    char byte;

    return (int)rouse_tcp_read(arg, &byte, 1);
}

static int write_until_full(void *arg)
{
    static char block[1 << 16];
    ssize_t result;

    do {
        result = rouse_tcp_write(arg, block, sizeof block);
    } while (result > 0);
    return (int)result;
}

static void close_under_waiters(void)
{
    struct pair pair = pair_new();
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_join_handle reader, writer, acceptors[2];
    char byte;

    must(rouse_spawn(&reader, read_one, pair.near), "spawn");
    must(rouse_spawn(&writer, write_until_full, pair.near), "spawn");
    must(rouse_spawn(&acceptors[0], accept_one, listener), "spawn");
    must(rouse_spawn(&acceptors[1], accept_one, listener), "spawn");
    rouse_sleep(20 * ROUSE_NS_PER_MS);
    rouse_tcp_close(pair.near);
    rouse_tcp_listener_close(listener);
    claim(rouse_join(&reader) == -EBADF, "a_close_ends_a_waiting_read");
    claim(rouse_join(&writer) == -EBADF, "a_close_ends_a_waiting_write");
    claim(rouse_join(&acceptors[0]) == -EBADF && rouse_join(&acceptors[1]) == -EBADF,
          "a_close_ends_waiting_accepts");
    claim(rouse_tcp_read(pair.near, &byte, 1) == -EBADF &&
              rouse_tcp_try_read(pair.near, &byte, 1) == -EBADF &&
              rouse_tcp_write(pair.near, "x", 1) == -EBADF &&
              rouse_tcp_try_write(pair.near, "x", 1) == -EBADF &&
              rouse_tcp_shutdown_write(pair.near) == -EBADF &&
              rouse_tcp_set_nodelay(pair.near, true) == -EBADF &&
              rouse_tcp_local_address(pair.near, &address) == -EBADF &&
              rouse_tcp_listener_address(listener, &address) == -EBADF &&
              accept_one(listener) == -EBADF,
          "after_a_close_every_call_says_so");

    // Closing again must not close the number's next owner.
    struct pair next = pair_new();

    rouse_tcp_close(pair.near);
    rouse_tcp_listener_close(listener);
    claim(rouse_tcp_write(next.near, "x", 1) == 1 && rouse_tcp_read(next.far, &byte, 1) == 1,
          "a_second_close_does_nothing");
    pair_free(&next);
    pair_free(&pair);
    rouse_tcp_listener_unref(listener);
}

static void close_tells_the_peer(void)
{
    struct pair pair = pair_new();
    char byte;

    // As if another thread were inside a system call.
    must(rs_source_hold(&pair.near->socket.source), "enter");
    rouse_tcp_close(pair.near);
    claim(rouse_tcp_read(pair.far, &byte, 1) == 0,
          "a_close_reaches_the_peer_while_an_operation_is_in_progress");
    rs_source_unhold(&pair.near->socket.source);
    pair_free(&pair);
}

static void reset_tells_the_peer(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle reader;
    char byte;

    must(rouse_spawn(&reader, read_one, pair.near), "spawn");
    must(rouse_sleep(ROUSE_NS_PER_MS), "sleep");
    // An operation in progress keeps the descriptor, and not the reset.
    must(rs_source_hold(&pair.near->socket.source), "enter");
    rouse_tcp_reset(pair.near);
    claim(rouse_tcp_read(pair.far, &byte, 1) == -ECONNRESET, "a_reset_reaches_the_peer_at_once");
    rs_source_unhold(&pair.near->socket.source);
    claim(rouse_join(&reader) == -EBADF, "to_the_reader_on_our_side_it_is_a_close");
    rouse_tcp_reset(pair.near);
    claim(rouse_tcp_read(pair.near, &byte, 1) == -EBADF, "a_second_reset_does_nothing");
    pair_free(&pair);
}

static void shares(void)
{
    struct pair pair = pair_new();
    struct rouse_tcp *share = rouse_tcp_ref(pair.near);
    char byte;

    rouse_tcp_unref(pair.near);
    claim(rouse_tcp_write(share, "x", 1) == 1 && rouse_tcp_read(pair.far, &byte, 1) == 1,
          "a_connection_lives_as_long_as_a_share_of_it");
    rouse_tcp_unref(share);
    claim(rouse_tcp_read(pair.far, &byte, 1) == 0, "the_last_share_closes");
    rouse_tcp_unref(pair.far);
    rouse_tcp_unref(NULL);
    rouse_tcp_listener_unref(NULL);
}

static bool describes(const struct rouse_future *future, const char *format, int fd)
{
    char expected[64];
    char found[64];

    snprintf(expected, sizeof expected, format, fd);
    rouse_future_describe(future, found, sizeof found);
    return strcmp(expected, found) == 0;
}

// The same of a socket that is connected: its peer's address follows.
static bool describes_with_peer(const struct rouse_future *future, const char *format, int fd)
{
    char found[64];
    char *peer;

    rouse_future_describe(future, found, sizeof found);
    peer = strstr(found, " (peer 127.0.0.1:");
    if (peer == NULL) return false;
    *peer = '\0';

    char expected[64];

    snprintf(expected, sizeof expected, format, fd);
    return strcmp(expected, found) == 0;
}

static void descriptions(void)
{
    struct pair pair = pair_new();
    struct rouse_addr address = {0};
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_tcp_accept accept;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    int fd = socket_number(pair.near);
    char byte;

    rouse_tcp_accept_init(&accept, listener);
    rouse_tcp_connect_init(&connect, &address);
    rouse_tcp_read_init(&read, pair.near, &byte, 1);
    rouse_tcp_write_all_init(&write, pair.near, &byte, 1);
    claim(describes_with_peer(&read.base, "read of fd %d", fd) &&
              describes_with_peer(&write.base, "write to fd %d", fd) &&
              describes(&connect.base, "connect to 127.0.0.1:%d", rouse_addr_port(&address)) &&
              describes(&accept.base, "accept on fd %d", listener->socket.source.fd),
          "a_future_says_what_it_waits_for");
    rouse_future_drop(&accept.base);
    rouse_future_drop(&connect.base);
    rouse_future_drop(&read.base);
    rouse_future_drop(&write.base);
    rouse_tcp_listener_unref(listener);
    pair_free(&pair);
}

// ---- Many ----

enum { MANY = 1000 };

static int serve(void *arg)
{
    char buf[64];
    ssize_t count;

    while ((count = rouse_tcp_read(arg, buf, sizeof buf)) > 0) {
        if (rouse_tcp_write_all(arg, buf, (size_t)count) < 0) break;
    }
    rouse_tcp_unref(arg);
    return (int)count;
}

static int serve_many(void *arg)
{
    struct rouse_tcp *conn;

    for (int i = 0; i < MANY; i++) {
        must(rouse_tcp_accept(arg, &conn), "accept");
        must(rouse_spawn(NULL, serve, conn), "spawn");
    }
    return 0;
}

static void many(void)
{
    static struct rouse_tcp *conns[MANY];
    struct rlimit limit;
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_join_handle server;
    int echoed = 0;

    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    must(rouse_spawn(&server, serve_many, listener), "spawn");
    for (int i = 0; i < MANY; i++) {
        must(rouse_tcp_connect(&conns[i], &address), "connect");
        must(rouse_tcp_write_all(conns[i], &i, sizeof i), "write");
    }
    for (int i = 0; i < MANY; i++) {
        int back = -1;

        if (rouse_tcp_read_exact(conns[i], &back, sizeof back, NULL) == sizeof back) {
            echoed += back == i;
        }
    }
    must(rouse_join(&server), "server");
    claim(echoed == MANY, "a_thousand_connections_echo_at_once");
    for (int i = 0; i < MANY; i++) {
        rouse_tcp_unref(conns[i]);
    }
    rouse_tcp_listener_unref(listener);
}

static int run_all(void *arg)
{
    (void)arg;
    addresses();
    options();
    refused();
    unfinished();
    listening();
    every_address();
    by_name();
    several_acceptors();
    closed_while_it_is_tried();
    unclaimed();
    broken_connections();
    listener_that_cannot_be_watched();
    limits();
    limit_with_waiters();
    close_under_waiters();
    close_tells_the_peer();
    reset_tells_the_peer();
    shares();
    descriptions();
    many();
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    rs_sys.accept4 = failing_accept4;
    rs_sys.socket = failing_socket;
    rs_sys.ppoll = delaying_ppoll;
    rs_sys.epoll_ctl = refusing_epoll_ctl;
    rs_sys.fstat = refusing_fstat;
    rouse_log_set_hook(count_lines, NULL, ROUSE_LOG_INFO);
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0, "no_socket_is_left");
    claim(stats.allocations == 0 && stats.allocated_bytes == 0, "no_memory_is_left");
    return claims_end();
}
