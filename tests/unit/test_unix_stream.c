// SPDX-License-Identifier: MIT
//
// Unix streams: listening, connecting, pairs, credentials, and where they differ from
// TCP. One root fiber drives the tests and makes the claims; system calls are replaced where the
// kernel would not fail by itself. What all streams do is in test_tcp.c and test_tcp_io.c.

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "tcp_pair.h"

static char folder[] = "/tmp/rouse-unix-XXXXXX";

// A path in the folder of this run.
static struct rouse_addr address_of(const char *name)
{
    struct rouse_addr address;
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(rouse_addr_unix(&address, path), "address");
    return address;
}

static void path_remove(const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(unlink(path) == 0 ? 0 : -errno, "unlink");
}

static bool path_exists(const char *name)
{
    struct stat about;
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return lstat(path, &about) == 0;
}

// Both ends of a stream through a listener at `address`.
static struct pair pair_at(const struct rouse_addr *address)
{
    struct rouse_tcp_listener *listener;
    struct pair pair;

    must(rouse_unix_listen(&listener, address, NULL), "listen");
    must(rouse_unix_connect(&pair.near, address), "connect");
    must(rouse_tcp_accept(listener, &pair.far), "accept");
    rouse_tcp_listener_unref(listener);
    return pair;
}

// True if a message and an end of the stream go both ways.
static bool pair_talks(struct pair *pair)
{
    char buf[8];

    return rouse_tcp_write_all(pair->near, "hello", 5) == 5 &&
           rouse_tcp_read_exact(pair->far, buf, 5, NULL) == 5 && memcmp(buf, "hello", 5) == 0 &&
           rouse_tcp_write(pair->far, "olleh", 5) == 5 &&
           rouse_tcp_read(pair->near, buf, sizeof buf) == 5 && memcmp(buf, "olleh", 5) == 0 &&
           rouse_tcp_shutdown_write(pair->near) == 0 &&
           rouse_tcp_read(pair->far, buf, sizeof buf) == 0 &&
           rouse_tcp_write(pair->near, "x", 1) == -EPIPE &&
           rouse_tcp_write(pair->far, "more", 4) == 4 &&
           rouse_tcp_read(pair->near, buf, sizeof buf) == 4;
}

// ---- Listening ----

static void by_path(void)
{
    struct rouse_addr address = address_of("path");
    struct rouse_addr local, peer;
    struct pair pair = pair_at(&address);

    must(rouse_tcp_local_address(pair.far, &local), "local address");
    must(rouse_tcp_peer_address(pair.near, &peer), "peer address");
    claim(rouse_addr_equal(&local, &address) && rouse_addr_equal(&peer, &address),
          "both_ends_know_the_listeners_path");
    claim(pair_talks(&pair), "a_stream_by_path_carries_bytes_and_ends");
    pair_free(&pair);
    claim(path_exists("path"), "the_file_stays_when_the_listener_goes");
    path_remove("path");
}

static void by_abstract_name(void)
{
    struct rouse_tcp_listener *listener, *second;
    struct rouse_addr address, found;
    char name[64];
    int size = snprintf(name, sizeof name, "rouse-%d", (int)getpid());

    // With a zero inside.
    must(rouse_addr_unix_abstract(&address, name, (size_t)size + 1), "address");
    struct pair pair = pair_at(&address);

    claim(pair_talks(&pair), "a_stream_by_abstract_name_carries_bytes_and_ends");
    pair_free(&pair);
    must(rouse_unix_listen(&listener, &address, NULL), "listen");
    claim(rouse_tcp_listener_address(listener, &found) == 0 && rouse_addr_equal(&found, &address),
          "an_abstract_name_keeps_its_zeros");
    const struct rouse_unix_listen_options remove = {.remove_stale = true};

    claim(rouse_unix_listen(&second, &address, NULL) == -EADDRINUSE &&
              rouse_unix_listen(&second, &address, &remove) == -EADDRINUSE,
          "an_abstract_name_is_given_once");
    rouse_tcp_listener_unref(listener);
    claim(rouse_unix_listen(&second, &address, NULL) == 0, "it_is_free_when_its_listener_goes");
    rouse_tcp_listener_unref(second);
}

static void refusals(void)
{
    const struct rouse_unix_listen_options wrong = {.backlog = -1};
    struct rouse_addr address = address_of("nobody");
    struct rouse_addr inside = address_of("nobody/inside");
    struct rouse_addr loopback = rouse_addr_loopback(1);
    struct rouse_tcp_listener *listener;
    struct rouse_tcp *conn;

    claim(rouse_unix_connect(&conn, &address) == -ENOENT, "a_path_that_is_not_there_is_none");
    claim(rouse_unix_listen(&listener, &inside, NULL) == -ENOENT,
          "a_folder_that_is_not_there_holds_no_socket");
    claim(rouse_unix_listen(&listener, &address, &wrong) == -EINVAL, "no_backlog_is_negative");
    claim(rouse_unix_listen(&listener, &loopback, NULL) == -EAFNOSUPPORT &&
              rouse_unix_connect(&conn, &loopback) == -EAFNOSUPPORT &&
              rouse_unix_connect(&conn, &(struct rouse_addr){0}) == -EAFNOSUPPORT &&
              rouse_tcp_connect(&conn, &address) == -EAFNOSUPPORT,
          "each_family_has_its_own_calls");
}

static void stale_files(void)
{
    const struct rouse_unix_listen_options remove = {.remove_stale = true};
    struct rouse_addr address = address_of("stale");
    struct rouse_tcp_listener *first, *second;
    struct rouse_tcp *conn;
    char path[64];

    must(rouse_unix_listen(&first, &address, NULL), "listen");
    claim(rouse_unix_listen(&second, &address, &remove) == -EADDRINUSE,
          "a_path_with_a_listener_is_not_stale");
    rouse_tcp_listener_unref(first);
    claim(rouse_unix_connect(&conn, &address) == -ECONNREFUSED, "a_stale_path_refuses");
    claim(rouse_unix_listen(&second, &address, NULL) == -EADDRINUSE && path_exists("stale"),
          "a_stale_path_is_left_alone_unless_told");
    claim(rouse_unix_listen(&second, &address, &remove) == 0, "a_stale_path_is_removed_if_told");
    claim(rouse_unix_connect(&conn, &address) == 0, "and_bound_again");
    rouse_tcp_unref(conn);
    rouse_tcp_listener_unref(second);
    path_remove("stale");

    snprintf(path, sizeof path, "%s/stale", folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    must(fd, "open");
    close(fd);
    claim(rouse_unix_listen(&second, &address, &remove) == -EADDRINUSE && path_exists("stale"),
          "a_file_that_is_no_socket_is_never_removed");
    path_remove("stale");
    must(symlink("elsewhere", path) == 0 ? 0 : -errno, "symlink");
    claim(rouse_unix_listen(&second, &address, &remove) == -EADDRINUSE && path_exists("stale"),
          "nor_is_a_symbolic_link");
    path_remove("stale");
}

// ---- Connecting ----

static int accept_two_later(void *arg)
{
    struct rouse_tcp *conn;

    rouse_sleep(5 * ROUSE_NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        must(rouse_tcp_accept(arg, &conn), "accept");
        rouse_tcp_unref(conn);
    }
    return 0;
}

// A backlog of 1 takes two.
static void full_backlog(void)
{
    const struct rouse_unix_listen_options small = {.backlog = 1};
    struct rouse_addr address = address_of("full");
    struct rouse_tcp_listener *listener;
    struct rouse_unix_connect connect;
    struct rouse_join_handle acceptor;
    struct rouse_stats before, after;
    struct rouse_tcp *conns[3];
    char text[200];

    must(rouse_unix_listen(&listener, &address, &small), "listen");
    must(rouse_unix_connect(&conns[0], &address), "connect");
    must(rouse_unix_connect(&conns[1], &address), "connect");
    rouse_stats_get(&before);
    rouse_unix_connect_init(&connect, &address);
    struct rouse_borrow lent;

    rouse_borrow_init(&lent, &connect.base);
    claim(rouse_await_until(&lent.base, rouse_deadline_after(20 * ROUSE_NS_PER_MS)) == -ETIMEDOUT,
          "a_connect_waits_while_the_backlog_is_full");
    connect.base.vtable->describe(&connect.base, text, sizeof text);
    claim(strncmp(text, "connect to unix:/tmp/", 21) == 0 && strstr(text, "backlog") != NULL,
          "a_waiting_connect_says_so");
    claim(rouse_unix_connect_take(&connect) == NULL, "there_is_nothing_to_take_before_its_end");
    rouse_future_drop(&connect.base);
    rouse_stats_get(&after);
    claim(after.sockets == before.sockets && after.timers == before.timers,
          "a_dropped_connect_leaves_nothing");

    must(rouse_spawn(&acceptor, accept_two_later, listener), "spawn");
    claim(rouse_unix_connect(&conns[2], &address) == 0, "it_connects_when_there_is_room");
    must(rouse_join(&acceptor), "join");
    for (int i = 0; i < 3; i++) rouse_tcp_unref(conns[i]);
    rouse_tcp_listener_unref(listener);
    path_remove("full");
}

static void untaken(void)
{
    struct rouse_addr address = address_of("untaken");
    struct rouse_tcp_listener *listener;
    struct rouse_unix_connect connect;
    struct rouse_tcp *conn;
    char byte;

    must(rouse_unix_listen(&listener, &address, NULL), "listen");
    rouse_unix_connect_init(&connect, &address);
    must(rouse_await(&connect.base), "await");
    claim(connect.output == 0 && rouse_future_result(&connect.base) == 0, "a_connect_ends_at_once");
    must(rouse_tcp_accept(listener, &conn), "accept");
    rouse_future_drop(&connect.base);
    claim(rouse_tcp_read(conn, &byte, 1) == 0, "a_connection_that_nobody_took_is_closed");
    rouse_tcp_unref(conn);
    rouse_unix_connect_init(&connect, &address);
    rouse_future_drop(&connect.base);
    rouse_tcp_listener_unref(listener);
    path_remove("untaken");
}

// ---- Pairs ----

static void pairs(void)
{
    struct rouse_tcp *ends[2];
    struct rouse_unix_credentials peer;
    char byte;

    must(rouse_unix_pair(ends), "pair");
    struct pair pair = {.near = ends[0], .far = ends[1]};

    claim(pair_talks(&pair), "a_pair_carries_bytes_and_ends");
    claim(rouse_tcp_set_nodelay(ends[0], true) == -EOPNOTSUPP &&
              rouse_tcp_set_keepalive(ends[0], 1, 1, 1) == -EOPNOTSUPP,
          "what_is_tcps_alone_is_refused");
    claim(rouse_unix_peer(ends[0], &peer) == 0 && peer.pid == getpid() && peer.uid == getuid() &&
              peer.gid == getgid(),
          "a_pair_has_our_own_credentials");
    rouse_tcp_close(ends[0]);
    claim(rouse_tcp_read(ends[0], &byte, 1) == -EBADF && rouse_unix_peer(ends[0], &peer) == -EBADF,
          "a_closed_end_says_so");
    claim(rouse_tcp_try_write(ends[1], "x", 1) == -EPIPE, "and_its_peer_hears_of_it");
    pair_free(&pair);

    struct pair tcp = pair_new();

    claim(rouse_unix_peer(tcp.near, &peer) == -EOPNOTSUPP, "a_tcp_peer_has_no_credentials");
    pair_free(&tcp);
}

// The child connects and ends.
static void credentials(void)
{
    struct rouse_addr address = address_of("peer");
    struct rouse_tcp_listener *listener;
    struct rouse_unix_credentials peer;
    struct rouse_tcp *conn;
    char byte;

    must(rouse_unix_listen(&listener, &address, NULL), "listen");
    pid_t child = fork();

    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        bool is_connected = connect(fd, (struct sockaddr *)&address.storage, address.length) == 0;

        _exit(is_connected && read(fd, &byte, 1) == 0 ? 0 : 1);
    }
    must(child, "fork");
    must(rouse_tcp_accept(listener, &conn), "accept");
    claim(rouse_unix_peer(conn, &peer) == 0 && peer.pid == child && peer.uid == getuid(),
          "a_peer_is_the_process_that_connected");
    rouse_tcp_unref(conn);
    int status = 0;

    must(waitpid(child, &status, 0), "waitpid");
    claim(status == 0, "which_sees_the_end");
    rouse_tcp_listener_unref(listener);
    path_remove("peer");
}

// ---- Failing calls ----

// The n-th call from now on fails with an error that tells which, n from 1.
static atomic_int calls_left;

static bool call_fails(void)
{
    return atomic_fetch_sub(&calls_left, 1) == 1;
}

static int failing_socket(int domain, int type, int protocol)
{
    return call_fails() ? -ENFILE : rs_sys_real.socket(domain, type, protocol);
}

static int failing_socketpair(int domain, int type, int protocol, int fds[2])
{
    return call_fails() ? -ENFILE : rs_sys_real.socketpair(domain, type, protocol, fds);
}

static int failing_bind(int fd, const struct sockaddr *name, socklen_t length)
{
    return call_fails() ? -ENFILE : rs_sys_real.bind(fd, name, length);
}

static int failing_listen(int fd, int backlog)
{
    return call_fails() ? -ENFILE : rs_sys_real.listen(fd, backlog);
}

static int failing_connect(int fd, const struct sockaddr *name, socklen_t length)
{
    return call_fails() ? -ENFILE : rs_sys_real.connect(fd, name, length);
}

static int failing_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    return call_fails() ? -ENFILE : rs_sys_real.openat(directory_fd, path, flags, mode);
}

static int failing_fstat(int fd, struct stat *out)
{
    return call_fails() ? -ENFILE : rs_sys_real.fstat(fd, out);
}

static int failing_unlinkat(int directory_fd, const char *path, int flags)
{
    return call_fails() ? -ENFILE : rs_sys_real.unlinkat(directory_fd, path, flags);
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 200; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

// Each call on the way of a listener to a stale path fails in turn: nothing leaks, and the file is
// gone only when all before its removal went well.
static void failing_listens(void)
{
    const struct rouse_unix_listen_options remove = {.remove_stale = true};
    struct rouse_addr address = address_of("fault");
    struct rouse_tcp_listener *listener;
    int before = descriptors();
    int failed = 0;
    int err = -1;

    // socket, bind, openat, fstat, socket, connect, unlinkat, bind, listen: then all is well.
    for (int n = 1; err < 0 && n < 50; n++) {
        atomic_store(&calls_left, 0);
        if (!path_exists("fault")) {
            must(rouse_unix_listen(&listener, &address, NULL), "listen");
            rouse_tcp_listener_unref(listener);
        }
        atomic_store(&calls_left, n);
        err = rouse_unix_listen(&listener, &address, &remove);
        failed += err == -ENFILE || err == -EADDRINUSE;
    }
    atomic_store(&calls_left, 0);
    claim(failed == 9 && err == 0, "a_listen_fails_at_each_of_its_calls");
    rouse_tcp_listener_unref(listener);
    claim(descriptors() == before, "and_leaves_no_descriptor");
    path_remove("fault");
}

static void failing_connects(void)
{
    struct rouse_addr address = address_of("fault");
    struct rouse_tcp_listener *listener;
    struct rouse_tcp *ends[2];
    struct rouse_tcp *conn;
    int before = descriptors();

    must(rouse_unix_listen(&listener, &address, NULL), "listen");
    for (int n = 1; n <= 2; n++) {
        atomic_store(&calls_left, n);
        claim(rouse_unix_connect(&conn, &address) == -ENFILE, "a_connect_fails_with_its_call");
    }
    atomic_store(&calls_left, 1);
    claim(rouse_unix_pair(ends) == -ENFILE, "a_pair_fails_with_its_call");
    rouse_tcp_listener_unref(listener);
    claim(descriptors() == before, "and_they_leave_no_descriptor");
    path_remove("fault");
}

static int run_all(void *arg)
{
    (void)arg;
    by_path();
    by_abstract_name();
    refusals();
    stale_files();
    full_backlog();
    untaken();
    pairs();
    credentials();
    failing_listens();
    failing_connects();
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    must(mkdtemp(folder) != NULL ? 0 : -errno, "mkdtemp");
    rs_sys.socket = failing_socket;
    rs_sys.socketpair = failing_socketpair;
    rs_sys.bind = failing_bind;
    rs_sys.listen = failing_listen;
    rs_sys.connect = failing_connect;
    rs_sys.openat = failing_openat;
    rs_sys.fstat = failing_fstat;
    rs_sys.unlinkat = failing_unlinkat;
    must(rouse_run(run_all, NULL), "run");
    must(rmdir(folder) == 0 ? 0 : -errno, "rmdir");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0, "no_socket_is_left");
    claim(stats.allocations == 0 && stats.allocated_bytes == 0, "no_memory_is_left");
    return claims_end();
}
