// SPDX-License-Identifier: MIT
//
// TCP transfers over loopback: whole, in fragments, in vectors, from files; cut short by ends,
// cancels and resets. One root fiber drives the tests and makes the claims; a plain thread repeats
// those about SIGPIPE. Objects and their ends are in test_tcp.c.

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "tcp_pair.h"

static const size_t mebibyte = 1 << 20;

// The endless test pattern: a block of random bytes, again and again. Its length is prime, so that
// nothing of the size of a page or a buffer can be taken for its neighbour.
enum { PERIOD = 65521, COMPARE_MAX = 1 << 18 };

static unsigned char pattern[PERIOD + COMPARE_MAX];

static void pattern_init(void)
{
    uint64_t state = 42;

    for (size_t i = 0; i < sizeof pattern; i++) {
        pattern[i] = i < PERIOD ? (unsigned char)claim_random(&state) : pattern[i - PERIOD];
    }
}

static void pattern_fill(unsigned char *buf, size_t place, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t rest = size - done;
        size_t count = rest < PERIOD ? rest : PERIOD;

        memcpy(buf + done, pattern + (place + done) % PERIOD, count);
        done += count;
    }
}

static bool pattern_holds(const unsigned char *buf, size_t place, size_t size)
{
    return size <= COMPARE_MAX && memcmp(buf, pattern + place % PERIOD, size) == 0;
}

// ---- Simple transfers ----

static void echo(void)
{
    struct pair pair = pair_new();
    char buf[8] = "";

    claim(rouse_tcp_try_read(pair.near, buf, sizeof buf) == -EAGAIN,
          "a_try_read_of_nothing_would_wait");
    claim(rouse_tcp_write(pair.near, "hello", 5) == 5 &&
              rouse_tcp_read(pair.far, buf, sizeof buf) == 5 && memcmp(buf, "hello", 5) == 0,
          "a_message_arrives");
    claim(rouse_tcp_try_write(pair.far, "olleh", 5) == 5 &&
              rouse_tcp_read(pair.near, buf, sizeof buf) == 5 && memcmp(buf, "olleh", 5) == 0,
          "an_answer_comes_back");
    claim(rouse_tcp_write(pair.near, buf, 0) == 0 && rouse_tcp_write_all(pair.near, buf, 0) == 0 &&
              rouse_tcp_read_exact(pair.near, buf, 0, NULL) == 0,
          "a_transfer_of_nothing_is_done_at_once");
    pair_free(&pair);
}

static void half_close(void)
{
    struct pair pair = pair_new();
    char buf[8];

    must(rouse_tcp_write(pair.near, "last", 4), "write");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    claim(rouse_tcp_read(pair.far, buf, sizeof buf) == 4 &&
              rouse_tcp_read(pair.far, buf, sizeof buf) == 0 &&
              rouse_tcp_read(pair.far, buf, sizeof buf) == 0 &&
              rouse_tcp_try_read(pair.far, buf, sizeof buf) == 0,
          "the_end_of_the_stream_comes_after_the_data_and_stays");
    claim(rouse_tcp_write(pair.near, "x", 1) == -EPIPE,
          "a_write_after_the_shutdown_is_a_broken_pipe");
    claim(rouse_tcp_write(pair.far, "more", 4) == 4 &&
              rouse_tcp_read(pair.near, buf, sizeof buf) == 4,
          "the_other_half_stays_open");
    pair_free(&pair);
}

// The end of the stream comes while the reader waits, after it has emptied the socket.
static int shutdown_late(void *arg)
{
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    return rouse_tcp_shutdown_write(arg);
}

static void late_end(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle closer;
    char buf[8];

    must(rouse_tcp_write(pair.near, "last", 4), "write");
    must(rouse_spawn(&closer, shutdown_late, pair.near), "spawn");
    claim(rouse_tcp_read(pair.far, buf, sizeof buf) == 4 &&
              rouse_tcp_read(pair.far, buf, sizeof buf) == 0,
          "a_waiting_read_ends_with_the_stream");
    must(rouse_join(&closer), "shutdown");
    pair_free(&pair);
}

enum { FRAGMENTS = 10, FRAGMENT_SIZE = 100 };

static int write_fragments(void *arg)
{
    unsigned char fragment[FRAGMENT_SIZE];

    for (size_t i = 0; i < FRAGMENTS; i++) {
        pattern_fill(fragment, i * FRAGMENT_SIZE, sizeof fragment);
        must(rouse_tcp_write_all(arg, fragment, sizeof fragment), "write");
        rouse_sleep(ROUSE_NS_PER_MS);
    }
    return rouse_tcp_shutdown_write(arg);
}

static void fragments(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle writer;
    unsigned char buf[FRAGMENTS * FRAGMENT_SIZE];
    size_t most = sizeof buf - 150;
    size_t done = 0;

    must(rouse_spawn(&writer, write_fragments, pair.near), "spawn");
    claim(rouse_tcp_read_exact(pair.far, buf, most, &done) == (ssize_t)most && done == most &&
              pattern_holds(buf, 0, most),
          "read_exact_waits_for_every_fragment");
    claim(rouse_tcp_read_exact(pair.far, buf, sizeof buf, &done) == 150 && done == 150 &&
              pattern_holds(buf, most, 150),
          "read_exact_gives_less_only_at_the_end_of_the_stream");
    must(rouse_join(&writer), "writer");
    pair_free(&pair);
}

// ---- Vectors ----

static void vectors(void)
{
    struct pair pair = pair_new();
    char a[2], b[3], c[4];
    struct iovec in[] = {{a, sizeof a}, {b, sizeof b}, {c, sizeof c}};
    const struct iovec out[] = {{"12", 2}, {NULL, 0}, {"345", 3}, {"67", 2}};
    const struct iovec empty[] = {{NULL, 0}};

    claim(rouse_tcp_writev(pair.near, out, 4) == 7 && rouse_tcp_readv(pair.far, in, 3) == 7 &&
              memcmp(a, "12", 2) == 0 && memcmp(b, "345", 3) == 0 && memcmp(c, "67", 2) == 0,
          "a_vector_is_gathered_and_scattered");
    claim(rouse_tcp_readv(pair.near, in, 0) == -EINVAL &&
              rouse_tcp_readv(pair.near, in, 1025) == -EINVAL &&
              rouse_tcp_readv(pair.near, empty, 1) == -EINVAL &&
              rouse_tcp_writev_all(pair.near, out, -1) == -EINVAL,
          "a_vector_of_no_length_or_size_is_refused");
    pair_free(&pair);
}

// Reads to the end; how many bytes followed the pattern.
static int read_pattern(void *arg)
{
    size_t size = COMPARE_MAX;
    unsigned char *buf = malloc(size);
    size_t place = 0;
    ssize_t count;

    while ((count = rouse_tcp_read(arg, buf, size)) > 0) {
        if (!pattern_holds(buf, place, (size_t)count)) break;
        place += (size_t)count;
        if (place / mebibyte % 8 == 7) rouse_sleep(ROUSE_NS_PER_MS);
    }
    free(buf);
    return count < 0 ? (int)count : (int)place;
}

static void long_vector(void)
{
    enum { PARTS = 1000, PART = 5003 };
    struct pair pair = pair_new();
    struct rouse_join_handle reader;
    unsigned char *buf = malloc((size_t)PARTS * PART);
    static struct iovec iov[PARTS + 2];
    static struct iovec before[PARTS + 2];
    const ssize_t total = (ssize_t)PARTS * PART;

    pattern_fill(buf, 0, (size_t)total);
    for (size_t i = 0; i < PARTS; i++) {
        iov[i + 1] = (struct iovec){buf + i * PART, PART};
    }
    memcpy(before, iov, sizeof iov);  // the first and the last part are empty
    must(rouse_spawn(&reader, read_pattern, pair.far), "spawn");
    claim(rouse_tcp_writev_all(pair.near, iov, PARTS + 2) == total,
          "a_long_vector_is_written_whole");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    claim(rouse_join(&reader) == total, "a_long_vector_arrives_whole");
    claim(memcmp(iov, before, sizeof iov) == 0, "a_vector_is_not_changed");
    free(buf);
    pair_free(&pair);
}

// ---- Much ----

static void much(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle reader;
    size_t size = 64 * mebibyte;
    unsigned char *buf = malloc(size);

    pattern_fill(buf, 0, size);
    must(rouse_spawn(&reader, read_pattern, pair.far), "spawn");
    claim(rouse_tcp_write_all(pair.near, buf, size) == (ssize_t)size,
          "write_all_writes_64_mebibytes_to_a_slow_reader");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    claim(rouse_join(&reader) == (int64_t)size, "64_mebibytes_arrive_in_order");
    free(buf);
    pair_free(&pair);
}

static int pattern_file(size_t size)
{
    int fd = memfd_create("pattern", MFD_CLOEXEC);
    unsigned char *buf = malloc(size);

    must(fd, "memfd_create");
    pattern_fill(buf, 0, size);
    for (size_t done = 0; done < size;) {
        ssize_t count = write(fd, buf + done, size - done);

        must(count, "write");
        done += (size_t)count;
    }
    free(buf);
    return fd;
}

static void files(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle reader;
    size_t size = 16 * mebibyte;
    int fd = pattern_file(size);
    char byte;

    must(rouse_spawn(&reader, read_pattern, pair.far), "spawn");
    claim(rouse_tcp_sendfile(pair.near, fd, 0, 1000) == 1000 &&
              rouse_tcp_sendfile(pair.near, fd, 1000, size - 2000) == (ssize_t)size - 2000,
          "sendfile_sends_a_stretch_of_a_file");
    claim(rouse_tcp_sendfile(pair.near, fd, (off_t)size - 1000, 5000) == 1000,
          "sendfile_ends_with_the_file");
    claim(rouse_tcp_sendfile(pair.near, fd, (off_t)size, 1) == 0 &&
              rouse_tcp_sendfile(pair.near, fd, 0, 0) == 0,
          "sendfile_of_nothing_sends_nothing");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    claim(rouse_join(&reader) == (int64_t)size, "a_sent_file_arrives_whole");
    claim(lseek(fd, 0, SEEK_CUR) == (off_t)size, "sendfile_leaves_the_files_offset_alone");
    claim(rouse_tcp_sendfile(pair.far, -1, 0, 1) == -EBADF, "sendfile_of_no_file_says_so");

    // The end of a file is no sign of a full socket: a write goes on at once.
    claim(rouse_tcp_sendfile(pair.far, fd, (off_t)size - 1, 2) == 1 &&
              rouse_tcp_write(pair.far, "x", 1) == 1 && rouse_tcp_read(pair.near, &byte, 1) == 1,
          "a_write_follows_the_end_of_a_file");
    close(fd);
    pair_free(&pair);
}

// ---- Cancelling ----

static int read_for_ever(void *arg)
{
    static char buf[64];
    ssize_t count;

    while ((count = rouse_tcp_read(arg, buf, sizeof buf)) > 0) {
    }
    return (int)count;
}

static void cancelled_read(void)
{
    struct pair pair = pair_new();
    struct rouse_join_handle reader;
    char buf[64];
    bool all = true;

    for (int i = 0; i < 20; i++) {
        must(rouse_spawn(&reader, read_for_ever, pair.far), "spawn");
        rouse_sleep(ROUSE_NS_PER_MS);
        rouse_abort(&reader);
        all = all && rouse_join(&reader) == -ECANCELED;
        must(rouse_tcp_write_all(pair.near, "0123456789", 10), "write");
        all = all && rouse_tcp_read_exact(pair.far, buf, 10, NULL) == 10;
        all = all && memcmp(buf, "0123456789", 10) == 0;
    }
    claim(all, "a_cancelled_read_has_taken_no_byte");
    pair_free(&pair);
}

struct exact_reader {
    struct rouse_tcp *conn;
    size_t done;
};

static int read_exact_100(void *arg)
{
    struct exact_reader *reader = arg;
    char buf[100];

    return (int)rouse_tcp_read_exact(reader->conn, buf, sizeof buf, &reader->done);
}

static void cancelled_parts(void)
{
    struct pair pair = pair_new();
    struct exact_reader exact = {.conn = pair.far};
    struct rouse_join_handle reader;
    struct rouse_tcp_write_all write;
    size_t size = 64 * mebibyte;
    unsigned char *buf = malloc(size);

    must(rouse_spawn(&reader, read_exact_100, &exact), "spawn");
    must(rouse_tcp_write_all(pair.near, "0123456789", 10), "write");
    rouse_sleep(10 * ROUSE_NS_PER_MS);
    claim(rouse_abort_and_wait(&reader) == -ECANCELED && exact.done == 10,
          "a_cancelled_read_exact_says_how_much_it_has");

    pattern_fill(buf, 0, size);
    rouse_tcp_write_all_init(&write, pair.near, buf, size);
    claim(rouse_await_until(&write.base, rouse_deadline_after(20 * ROUSE_NS_PER_MS)) == -ETIMEDOUT,
          "a_write_to_nobody_times_out");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    must(rouse_spawn(&reader, read_pattern, pair.far), "spawn");
    claim(rouse_join(&reader) == (int64_t)write.done && write.done > 0,
          "a_dropped_write_all_says_how_much_was_sent");
    free(buf);
    pair_free(&pair);
}

// Two reads wait in order; the event goes to the first, which is dropped before it is polled again.
static void dropped_with_its_event(void)
{
    struct pair pair = pair_new();
    struct rouse_tcp_read first, second;
    struct rouse_borrow first_lent, second_lent;
    struct rouse_join both;
    char buf[2][8];

    rouse_tcp_read_init(&first, pair.far, buf[0], sizeof buf[0]);
    rouse_tcp_read_init(&second, pair.far, buf[1], sizeof buf[1]);
    rouse_borrow_init(&first_lent, &first.base);
    rouse_borrow_init(&second_lent, &second.base);
    rouse_join_init(&both, &first_lent.base, &second_lent.base);
    must(rouse_await_until(&both.base, rouse_deadline_after(2 * ROUSE_NS_PER_MS)) == -ETIMEDOUT
             ? 0
             : -EINVAL,
         "wait");
    must(rouse_tcp_try_write(pair.near, "hello", 5), "write");
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    rouse_future_drop(&first.base);
    must(rouse_await(&second.base), "await");
    claim(second.output == 5 && memcmp(buf[1], "hello", 5) == 0,
          "a_dropped_read_passes_its_event_on");
    pair_free(&pair);
}

// ---- Signals ----

static atomic_int sigpipes;

static void count_sigpipe(int number)
{
    (void)number;
    atomic_fetch_add(&sigpipes, 1);
}

// Every way to write, each to a peer that has reset the connection. The first write after a reset
// learns of the reset; those after it find a broken pipe.
static bool writes_to_the_dead(int fd)
{
    static const struct iovec iov[] = {{"x", 1}};
    bool all = true;

    for (int way = 0; way < 3; way++) {
        struct pair pair = pair_new();
        ssize_t result = 1;

        reset_and_unref(pair.far);
        for (int i = 0; i < 10 && result != -EPIPE; i++) {
            if (way == 0) result = rouse_tcp_write(pair.near, "x", 1);
            if (way == 1) result = rouse_tcp_writev(pair.near, iov, 1);
            if (way == 2) result = rouse_tcp_sendfile(pair.near, fd, 0, 1);
            rouse_sleep(ROUSE_NS_PER_MS);
        }
        all = all && result == -EPIPE;
        rouse_tcp_unref(pair.near);
    }
    return all;
}

static bool sigpipe_is_pending(void)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

struct thread_test {
    bool all[5];
    atomic_bool done;
};

static void *write_on_a_thread(void *arg)
{
    struct thread_test *test = arg;
    bool *all = test->all;
    int fd = pattern_file(100);
    sigset_t set;
    sigset_t mask;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    all[0] = writes_to_the_dead(fd) && !sigpipe_is_pending();
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    all[1] = sigismember(&mask, SIGPIPE) == 0;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    all[2] = writes_to_the_dead(fd) && !sigpipe_is_pending();
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    all[3] = sigismember(&mask, SIGPIPE) == 1;
    pthread_kill(pthread_self(), SIGPIPE);
    all[4] = writes_to_the_dead(fd) && sigpipe_is_pending();
    close(fd);
    atomic_store(&test->done, true);
    return NULL;
}

static void on_a_plain_thread(void)
{
    struct thread_test test = {.all = {false}};
    const bool *all = test.all;
    pthread_t thread;

    must(-pthread_create(&thread, NULL, write_on_a_thread, &test), "thread");
    while (!atomic_load(&test.done)) {
        rouse_sleep(ROUSE_NS_PER_MS);
    }
    pthread_join(thread, NULL);
    claim(all[0], "no_write_leaves_a_sigpipe_on_a_plain_thread");
    claim(all[2], "no_write_leaves_a_sigpipe_where_it_is_blocked");
    claim(all[1] && all[3], "the_threads_mask_is_as_it_was");
    claim(all[4], "a_sigpipe_of_somebody_else_stays_pending");
    claim(atomic_load(&sigpipes) == 0, "no_sigpipe_is_delivered_to_a_plain_thread");
}

// ---- Without a buffer ----

static atomic_int looks;  // whether a connection can be read

static int counting_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    bool at_once = timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0;

    if (count == 1 && at_once && (fds[0].events & POLLRDHUP) != 0) atomic_fetch_add(&looks, 1);
    return rs_sys_real.ppoll(fds, count, timeout);
}

static int wait_in_vain(struct rouse_tcp *conn)
{
    struct rouse_tcp_readable readable;

    rouse_tcp_readable_init(&readable, conn);
    return rouse_await_until(&readable.base, rouse_deadline_after(ROUSE_NS_PER_MS));
}

static void readable_after_tries(void)
{
    struct pair pair = pair_new();
    char buf[8];

    atomic_store(&looks, 0);
    claim(wait_in_vain(pair.far) == -ETIMEDOUT && atomic_load(&looks) == 1,
          "what_nobody_has_tried_to_read_is_looked_at");
    claim(rouse_tcp_try_read(pair.far, buf, sizeof buf) == -EAGAIN &&
              wait_in_vain(pair.far) == -ETIMEDOUT && atomic_load(&looks) == 1,
          "what_was_found_empty_is_waited_for_without_a_look");
    must(rouse_tcp_write(pair.near, "last", 4), "write");
    claim(rouse_tcp_readable(pair.far) == 0, "data_are_seen");
    atomic_store(&looks, 0);
    claim(rouse_tcp_try_read(pair.far, buf, sizeof buf) == 4 &&
              wait_in_vain(pair.far) == -ETIMEDOUT && atomic_load(&looks) == 0,
          "and_so_is_what_a_short_try_has_emptied");
    must(rouse_tcp_write(pair.near, "more", 4), "write");
    claim(rouse_tcp_readable(pair.far) == 0 && rouse_tcp_try_read(pair.far, buf, 4) == 4 &&
              wait_in_vain(pair.far) == -ETIMEDOUT,
          "a_full_try_says_nothing");
    must(rouse_tcp_shutdown_write(pair.near), "shutdown");
    claim(rouse_tcp_readable(pair.far) == 0 && rouse_tcp_try_read(pair.far, buf, 8) == 0,
          "the_end_of_the_stream_is_seen");
    pair_free(&pair);
}

static int run_all(void *arg)
{
    int fd = pattern_file(100);

    (void)arg;
    echo();
    half_close();
    late_end();
    fragments();
    vectors();
    long_vector();
    much();
    files();
    cancelled_read();
    cancelled_parts();
    dropped_with_its_event();
    readable_after_tries();
    claim(writes_to_the_dead(fd), "a_write_to_a_reset_connection_is_a_broken_pipe");
    claim(atomic_load(&sigpipes) == 0 && !sigpipe_is_pending(), "no_write_raises_sigpipe");
    close(fd);
    on_a_plain_thread();
    return 0;
}

int main(void)
{
    struct sigaction action = {.sa_handler = count_sigpipe};
    struct rouse_stats stats;

    alarm(50);
    pattern_init();
    rs_sys.ppoll = counting_ppoll;
    must(sigaction(SIGPIPE, &action, NULL), "sigaction");
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.sockets == 0 && stats.allocations == 0, "nothing_is_left");
    return claims_end();
}
