// SPDX-License-Identifier: MIT
//
// Descriptors over Unix streams: passed, cut off, not taken, cancelled; none is lost, and none
// stays open. One root fiber drives the tests and makes the claims.

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "claim.h"
#include "tcp_pair.h"

enum { DESCRIPTORS_MAX = 1200 };

static struct pair unix_pair_new(void)
{
    struct rouse_tcp *ends[2];

    must(rouse_unix_pair(ends), "pair");
    return (struct pair){.near = ends[0], .far = ends[1]};
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool is_same_file(int a, int b)
{
    struct stat about_a, about_b;

    return fstat(a, &about_a) == 0 && fstat(b, &about_b) == 0 && about_a.st_ino == about_b.st_ino &&
           about_a.st_dev == about_b.st_dev;
}

static int file_new(void)
{
    int fd = memfd_create("passed", MFD_CLOEXEC);

    must(fd, "memfd_create");
    return fd;
}

// ---- Passing ----

static void passing(void)
{
    struct pair pair = unix_pair_new();
    int sent[3] = {file_new(), file_new(), file_new()};
    int got[4] = {-1, -1, -1, -1};
    unsigned count = 4;
    bool truncated = true;
    char buf[16];

    claim(rouse_unix_send_fds(pair.near, "three", 5, sent, 3) == 5, "descriptors_are_sent");
    claim(rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, &truncated) == 5 &&
              memcmp(buf, "three", 5) == 0 && count == 3 && !truncated,
          "they_arrive_with_their_bytes");
    bool all = true;

    for (int i = 0; i < 3; i++) {
        all = all && is_same_file(sent[i], got[i]) && got[i] != sent[i] &&
              (fcntl(got[i], F_GETFD) & FD_CLOEXEC) != 0;
        close(sent[i]);
        close(got[i]);
    }
    claim(all && got[3] == -1, "in_their_order_as_descriptors_of_ones_own_that_no_child_inherits");

    count = 4;
    claim(rouse_unix_send_fds(pair.near, "none", 4, NULL, 0) == 4 &&
              rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, NULL) == 4 && count == 0,
          "bytes_may_come_without");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    count = 4;
    claim(rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, NULL) == 0 && count == 0,
          "the_stream_ends");
    pair_free(&pair);
}

static void many(void)
{
    struct pair pair = unix_pair_new();
    int file = file_new();
    int sent[ROUSE_UNIX_FDS_MAX + 1];
    int got[ROUSE_UNIX_FDS_MAX + 1];
    unsigned count = ROUSE_UNIX_FDS_MAX + 1;
    int before = descriptors();
    char byte;

    for (int i = 0; i <= ROUSE_UNIX_FDS_MAX; i++) sent[i] = file;
    claim(rouse_unix_send_fds(pair.near, "x", 1, sent, ROUSE_UNIX_FDS_MAX + 1) == -EINVAL,
          "more_than_the_most_are_refused");
    claim(rouse_unix_send_fds(pair.near, "x", 1, sent, ROUSE_UNIX_FDS_MAX) == 1 &&
              rouse_unix_recv_fds(pair.far, &byte, 1, got, &count, NULL) == 1 &&
              count == ROUSE_UNIX_FDS_MAX,
          "the_most_pass");
    for (unsigned i = 0; i < count; i++) close(got[i]);
    claim(descriptors() == before, "and_are_all_that_was_opened");

    struct pair tcp = pair_new();

    claim(rouse_unix_send_fds(tcp.near, "x", 1, sent, 1) == -EOPNOTSUPP &&
              rouse_unix_send_fds(tcp.near, "x", 1, NULL, 0) == 1,
          "tcp_takes_bytes_only");
    pair_free(&tcp);
    sent[1] = -1;
    claim(rouse_unix_send_fds(pair.near, "x", 1, sent, 2) == -EBADF, "what_is_none_is_refused");
    claim(rouse_tcp_try_read(pair.far, &byte, 1) == -EAGAIN, "and_takes_its_bytes_with_it");
    close(file);
    pair_free(&pair);
}

// ---- Cut off ----

static void truncation(void)
{
    struct pair pair = unix_pair_new();
    int file = file_new();
    int sent[3] = {file, file, file};
    int got[3] = {-1, -1, -1};
    int before = descriptors();
    unsigned count = 1;
    bool truncated = false;
    char buf[8];

    must(rouse_unix_send_fds(pair.near, "abc", 3, sent, 3), "send");
    claim(rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, &truncated) == 3 &&
              count == 1 && truncated && got[1] == -1,
          "what_finds_no_room_is_reported");
    close(got[0]);
    claim(descriptors() == before, "and_closed");

    count = 0;
    truncated = false;
    must(rouse_unix_send_fds(pair.near, "abc", 3, sent, 3), "send");
    claim(rouse_unix_recv_fds(pair.far, buf, sizeof buf, NULL, &count, &truncated) == 3 &&
              count == 0 && truncated,
          "no_room_at_all_takes_the_bytes");
    must(rouse_unix_send_fds(pair.near, "abc", 3, sent, 3), "send");
    claim(rouse_tcp_read(pair.far, buf, sizeof buf) == 3, "so_does_a_plain_read");
    claim(descriptors() == before, "which_closes_the_descriptors_too");
    close(file);
    pair_free(&pair);
}

static void limit_of_descriptors(void)
{
    struct pair pair = unix_pair_new();
    int file = file_new();
    int sent[2] = {file, file};
    int got[2];
    int before = descriptors();
    unsigned count = 2;
    bool truncated = false;
    struct rlimit limit, none_left;
    char buf[8];

    must(rouse_unix_send_fds(pair.near, "abc", 3, sent, 2), "send");
    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    none_left = limit;
    none_left.rlim_cur = 3;
    must(setrlimit(RLIMIT_NOFILE, &none_left), "setrlimit");
    ssize_t result = rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, &truncated);

    must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    claim(result == 3 && count == 0 && truncated,
          "at_the_limit_of_descriptors_the_bytes_come_and_the_loss_is_told");
    claim(descriptors() == before, "and_none_is_left_open");
    close(file);
    pair_free(&pair);
}

// ---- Not taken ----

static void untaken(void)
{
    struct pair pair = unix_pair_new();
    int file = file_new();
    int sent[2] = {file, file};
    int got[2];
    int before = descriptors();
    struct rouse_unix_recv_fds recv;
    char buf[8];

    must(rouse_unix_send_fds(pair.near, "ab", 2, sent, 2), "send");
    rouse_unix_recv_fds_init(&recv, pair.far, buf, sizeof buf, got, 2);
    claim(rouse_unix_recv_fds_take(&recv) == 0, "there_is_nothing_to_take_before_the_end");
    must(rouse_await(&recv.base), "await");
    claim(recv.output == 2 && recv.count == 2 && descriptors() == before + 2,
          "a_receive_ends_with_descriptors");
    rouse_future_drop(&recv.base);
    claim(descriptors() == before, "those_that_nobody_took_are_closed");

    must(rouse_unix_send_fds(pair.near, "ab", 2, sent, 2), "send");
    rouse_unix_recv_fds_init(&recv, pair.far, buf, sizeof buf, got, 2);
    must(rouse_await(&recv.base), "await");
    claim(rouse_unix_recv_fds_take(&recv) == 2 && rouse_unix_recv_fds_take(&recv) == 0,
          "they_are_taken_once");
    rouse_future_drop(&recv.base);
    claim(descriptors() == before + 2, "what_was_taken_stays_open");
    close(got[0]);
    close(got[1]);

    // Sent, and the stream is closed under them.
    must(rouse_unix_send_fds(pair.near, "ab", 2, sent, 2), "send");
    close(file);
    pair_free(&pair);
}

static void cancelled(void)
{
    struct pair pair = unix_pair_new();
    int file = file_new();
    int got[2];
    struct rouse_unix_recv_fds recv;
    struct rouse_borrow lent;
    char buf[8];
    unsigned count = 2;
    bool all = true;
    int before = descriptors();

    for (int i = 0; i < 20; i++) {
        rouse_unix_recv_fds_init(&recv, pair.far, buf, sizeof buf, got, 2);
        rouse_borrow_init(&lent, &recv.base);
        all = all && rouse_await_until(&lent.base, rouse_deadline_after(ROUSE_NS_PER_MS / 10)) ==
                         -ETIMEDOUT;
        must(rouse_unix_send_fds(pair.near, "x", 1, &file, 1), "send");
        rouse_future_drop(&recv.base);
        count = 2;
        all = all && rouse_unix_recv_fds(pair.far, buf, sizeof buf, got, &count, NULL) == 1;
        all = all && count == 1;
        close(got[0]);
    }
    claim(all, "a_cancelled_receive_has_taken_no_byte_and_no_descriptor");
    claim(descriptors() == before, "and_left_none_open");
    close(file);
    pair_free(&pair);
}

// ---- Borders ----

static int read_three(void *arg)
{
    char buf[16];
    ssize_t total = 0;

    for (int i = 0; i < 3; i++) {
        ssize_t count = rouse_tcp_read(arg, buf, sizeof buf);

        if (count <= 0) return (int)count;
        total += count;
        if (total == 3) break;
    }
    return (int)total;
}

// The kernel stops a read behind bytes that had descriptors with them. The next bytes are there
// already, and no event will tell of them: a reader that took the short read for the last of it
// would wait for ever.
static void borders(void)
{
    struct pair pair = unix_pair_new();
    struct rouse_join_handle reader;
    int file = file_new();
    bool all = true;

    for (int i = 0; i < 3; i++) {
        must(rouse_spawn(&reader, read_three, pair.far), "spawn");
        rouse_sleep(2 * ROUSE_NS_PER_MS);  // it waits, so that its descriptor is watched
        for (int k = 0; k < 3; k++) {
            must(rouse_unix_send_fds(pair.near, "x", 1, &file, 1), "send");
        }
        rouse_abort_on_drop(&reader);
        all = all &&
              rouse_await_until(&reader.base, rouse_deadline_after(20 * ROUSE_NS_PER_S)) == 0;
        if (!all) break;
        all = all && reader.output == 3;
        rouse_future_drop(&reader.base);
    }
    claim(all, "a_read_that_stops_at_a_border_is_not_taken_for_the_last");
    close(file);
    pair_free(&pair);
}

// ---- Waiting ----

static int recv_into(void *arg)
{
    int got[2];
    unsigned count = 2;
    char buf[8];
    ssize_t result = rouse_unix_recv_fds(arg, buf, sizeof buf, got, &count, NULL);

    for (unsigned i = 0; i < count; i++) close(got[i]);
    return (int)result;
}

static int send_until_error(void *arg)
{
    static char buf[4096];
    int file = file_new();
    ssize_t result;

    do {
        result = rouse_unix_send_fds(arg, buf, sizeof buf, &file, 1);
    } while (result > 0);
    close(file);
    return (int)result;
}

static void close_under_waiters(void)
{
    struct pair pair = unix_pair_new();
    struct rouse_join_handle receiver, sender;

    must(rouse_spawn(&receiver, recv_into, pair.near), "spawn");
    must(rouse_spawn(&sender, send_until_error, pair.near), "spawn");
    rouse_sleep(10 * ROUSE_NS_PER_MS);
    rouse_tcp_close(pair.near);
    claim(rouse_join(&receiver) == -EBADF, "a_close_ends_a_waiting_receive");
    claim(rouse_join(&sender) == -EBADF, "a_close_ends_a_waiting_send");
    pair_free(&pair);
}

static void late(void)
{
    struct pair pair = unix_pair_new();
    struct rouse_join_handle receiver;
    int file = file_new();
    struct rouse_unix_send_fds send;
    struct rouse_unix_recv_fds recv;
    char text[64];

    must(rouse_spawn(&receiver, recv_into, pair.far), "spawn");
    rouse_sleep(2 * ROUSE_NS_PER_MS);
    rouse_unix_send_fds_init(&send, pair.near, "xy", 2, &file, 1);
    send.base.vtable->describe(&send.base, text, sizeof text);
    claim(strncmp(text, "send of descriptors to fd ", 26) == 0, "a_send_says_what_it_waits_for");
    must(rouse_await(&send.base), "await");
    claim(rouse_future_result(&send.base) == 2 && rouse_join(&receiver) == 2,
          "a_waiting_receive_is_woken");
    rouse_unix_recv_fds_init(&recv, pair.near, text, sizeof text, NULL, 0);
    recv.base.vtable->describe(&recv.base, text, sizeof text);
    claim(strncmp(text, "receive of descriptors from fd ", 31) == 0, "so_does_a_receive");
    rouse_future_drop(&recv.base);
    close(file);
    pair_free(&pair);
}

static int run_all(void *arg)
{
    int before = descriptors();

    (void)arg;
    passing();
    many();
    // qemu-user gives the kernel more room than the program did, and forgets what is left over.
    if (!child_is_emulated()) truncation();
    limit_of_descriptors();
    untaken();
    cancelled();
    borders();
    close_under_waiters();
    late();
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
