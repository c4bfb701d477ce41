// SPDX-License-Identifier: MIT
//
// Adopted descriptors: pipes, eventfds, and files that cannot be waited on. One root fiber drives
// the tests and makes the claims.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "claim.h"
#include "io/fd.h"

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("Bail out! %s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

// ---- Operations ----

struct transfer {
    void *buf;
    size_t size;
};

static ssize_t read_some(int fd, void *arg)
{
    const struct transfer *t = arg;
    ssize_t count = read(fd, t->buf, t->size);

    return count < 0 ? -errno : count;
}

static ssize_t write_some(int fd, void *arg)
{
    const struct transfer *t = arg;
    ssize_t count = write(fd, t->buf, t->size);

    return count < 0 ? -errno : count;
}

// Both ends of a pipe, adopted.
struct channel {
    struct rouse_fd *in;
    struct rouse_fd *out;
};

static struct channel channel_new(void)
{
    struct channel channel;
    int fds[2];

    must(pipe2(fds, O_CLOEXEC), "pipe2");
    must(rouse_fd_adopt(&channel.in, fds[0]), "adopt");
    must(rouse_fd_adopt(&channel.out, fds[1]), "adopt");
    return channel;
}

static void channel_free(struct channel *channel)
{
    rouse_fd_free(channel->in);
    rouse_fd_free(channel->out);
}

// Until so many waits have a share each: before that nobody may free.
static void until_in_use(struct rouse_fd *fd, uint32_t waits)
{
    // Relaxed: only a count.
    while (atomic_load_explicit(&fd->shares, memory_order_relaxed) < waits + 1) {
        rouse_sleep(ROUSE_NS_PER_MS);
    }
}

static int write_late(void *arg)
{
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    return write(rouse_fd_number(arg), "x", 1) == 1 ? 0 : -errno;
}

// ---- The object ----

static void adoption(void)
{
    struct rouse_fd *fd;
    int fds[2];
    int number;

    must(pipe2(fds, O_CLOEXEC), "pipe2");
    must(rouse_fd_adopt(&fd, fds[0]), "adopt");
    claim(rouse_fd_number(fd) == fds[0] && (fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0,
          "an_adopted_descriptor_does_not_block");
    number = rouse_fd_release(fd);
    claim(number == fds[0] && (fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0,
          "a_released_descriptor_is_open_and_does_not_block");
    must(rouse_fd_adopt(&fd, fds[0]), "adopt");
    rouse_fd_free(fd);
    claim(fcntl(fds[0], F_GETFD) == -1, "free_closes");
    claim(rouse_fd_adopt(&fd, fds[0]) == -EBADF, "a_closed_descriptor_is_not_adopted");
    rouse_fd_free(NULL);
    close(fds[1]);
}

// ---- Waiting ----

static void readiness(void)
{
    struct channel channel = channel_new();
    struct rouse_join_handle writer;
    struct rouse_fd_ready ready;
    char text[64];
    char expected[64];

    claim(rouse_fd_wait(channel.out, ROUSE_WRITABLE) == 0, "an_empty_pipe_is_writable");
    must(rouse_spawn(&writer, write_late, channel.out), "spawn");
    claim(rouse_fd_wait(channel.in, ROUSE_READABLE) == 0, "a_pipe_becomes_readable");
    must(rouse_join(&writer), "writer");
    claim(rouse_fd_wait(channel.in, ROUSE_READABLE) == 0, "it_stays_readable_until_it_is_read");

    rouse_fd_ready_init(&ready, channel.in, ROUSE_READABLE);
    rouse_future_describe(&ready.base, text, sizeof text);
    snprintf(expected, sizeof expected, "fd %d to be readable", rouse_fd_number(channel.in));
    claim(strcmp(text, expected) == 0, "a_wait_says_what_it_waits_for");
    rouse_future_drop(&ready.base);
    channel_free(&channel);
}

static bool times_out(struct rouse_fd *fd)
{
    struct rouse_fd_ready ready;

    rouse_fd_ready_init(&ready, fd, ROUSE_READABLE);
    return rouse_await_until(&ready.base, rouse_deadline_after(5 * ROUSE_NS_PER_MS)) == -ETIMEDOUT;
}

static void clearing(void)
{
    struct channel channel = channel_new();
    char byte;

    must(write(rouse_fd_number(channel.out), "x", 1), "write");
    must(rouse_fd_wait(channel.in, ROUSE_READABLE), "wait");

    uint64_t tick = rouse_fd_tick(channel.in, ROUSE_READABLE);

    claim(tick > 0, "an_event_is_counted");
    must(read(rouse_fd_number(channel.in), &byte, 1), "read");
    rouse_fd_clear(channel.in, ROUSE_READABLE, tick);
    claim(times_out(channel.in), "a_cleared_direction_waits");
    must(write(rouse_fd_number(channel.out), "x", 1), "write");
    claim(rouse_fd_wait(channel.in, ROUSE_READABLE) == 0, "a_newer_event_ends_the_wait");

    // Nothing was cleared, but nothing is there: no false readiness.
    must(read(rouse_fd_number(channel.in), &byte, 1), "read");
    claim(times_out(channel.in), "what_is_not_ready_is_not_said_to_be");
    channel_free(&channel);
}

static void hangup(void)
{
    struct channel channel = channel_new();
    char byte;
    struct transfer in = {&byte, 1};

    rouse_fd_free(channel.out);
    claim(rouse_fd_wait(channel.in, ROUSE_READABLE) == 0 &&
              rouse_fd_try_io(channel.in, ROUSE_READABLE, read_some, &in) == 0 &&
              rouse_fd_try_io(channel.in, ROUSE_READABLE, read_some, &in) == 0,
          "the_end_of_a_pipe_is_readable_and_stays");
    rouse_fd_free(channel.in);
}

static void unpollable(void)
{
    char name[] = "/tmp/rouse-test-fd-XXXXXX";
    int number = mkstemp(name);
    struct rouse_fd *fd;

    must(number, "mkstemp");
    unlink(name);
    must(rouse_fd_adopt(&fd, number), "adopt");
    claim(rouse_fd_wait(fd, ROUSE_READABLE) == -EPERM &&
              rouse_fd_wait(fd, ROUSE_WRITABLE) == -EPERM,
          "a_regular_file_cannot_be_waited_on");
    rouse_fd_free(fd);
}

// ---- Trying ----

enum { STREAM_SIZE = 1 << 22 };

static int write_stream(void *arg)
{
    static char block[10007];
    size_t done = 0;

    while (done < STREAM_SIZE) {
        size_t rest = STREAM_SIZE - done;
        struct transfer out = {block, rest < sizeof block ? rest : sizeof block};
        ssize_t count = rouse_fd_try_io(arg, ROUSE_WRITABLE, write_some, &out);

        if (count < 0) return (int)count;
        done += (size_t)count;
    }
    rouse_fd_free(arg);
    return 0;
}

static void stream(void)
{
    static char buf[1 << 15];
    struct channel channel = channel_new();
    struct rouse_join_handle writer;
    struct transfer in = {buf, sizeof buf};
    size_t done = 0;
    ssize_t count;

    must(rouse_spawn(&writer, write_stream, channel.out), "spawn");
    while ((count = rouse_fd_try_io(channel.in, ROUSE_READABLE, read_some, &in)) > 0) {
        done += (size_t)count;
    }
    must(rouse_join(&writer), "writer");
    claim(count == 0 && done == STREAM_SIZE, "a_stream_goes_through_a_pipe");
    rouse_fd_free(channel.in);
}

static int ring(void *arg)
{
    const uint64_t one = 1;

    rouse_sleep(2 * ROUSE_NS_PER_MS);
    return write(rouse_fd_number(arg), &one, sizeof one) > 0 ? 0 : -errno;
}

static void bell(void)
{
    struct rouse_join_handle ringer;
    struct rouse_fd *fd;
    uint64_t value = 0;
    struct transfer in = {&value, sizeof value};
    int number = eventfd(0, EFD_CLOEXEC);
    bool all = true;

    must(number, "eventfd");
    must(rouse_fd_adopt(&fd, number), "adopt");
    for (int i = 0; i < 20; i++) {
        must(rouse_spawn(&ringer, ring, fd), "spawn");
        all = all && rouse_fd_try_io(fd, ROUSE_READABLE, read_some, &in) == sizeof value;
        all = all && value == 1;
        must(rouse_join(&ringer), "ringer");
    }
    claim(all, "an_eventfd_wakes_each_time");
    rouse_fd_free(fd);
}

static ssize_t fail(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return -ENOSPC;
}

static void failing(void)
{
    struct channel channel = channel_new();

    claim(rouse_fd_try_io(channel.out, ROUSE_WRITABLE, fail, NULL) == -ENOSPC,
          "an_operations_own_error_is_passed_on");
    channel_free(&channel);
}

// ---- Transfers ----

// Reads up to the end of the stream; how many bytes, and whether they are `pattern`.
static int read_pattern(void *arg)
{
    static char buf[1 << 15];
    size_t done = 0;
    ssize_t count;

    while ((count = rouse_fd_read(arg, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < count; i++, done++) {
            if (buf[i] != (char)(done * 31 + done / 251)) return -EILSEQ;
        }
    }
    return count < 0 ? (int)count : (int)done;
}

static void transfers(void)
{
    static char pattern[STREAM_SIZE];
    struct channel channel = channel_new();
    struct rouse_join_handle reader;
    struct rouse_fd_write_all all;
    char byte;

    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)(i * 31 + i / 251);
    must(rouse_spawn(&reader, read_pattern, channel.in), "spawn");
    claim(rouse_fd_write_all(channel.out, pattern, sizeof pattern) == STREAM_SIZE,
          "a_whole_buffer_is_written");
    rouse_fd_free(channel.out);
    claim(rouse_join(&reader) == STREAM_SIZE, "and_read_unchanged_up_to_the_end");
    rouse_fd_free(channel.in);

    channel = channel_new();
    claim(rouse_fd_write_all(channel.out, pattern, 0) == 0, "nothing_is_written_at_once");
    rouse_fd_write_all_init(&all, channel.out, pattern, sizeof pattern);
    claim(rouse_await_until(&all.base, rouse_deadline_after(5 * ROUSE_NS_PER_MS)) == -ETIMEDOUT &&
              all.done > 0 && all.done < sizeof pattern,
          "a_full_pipe_holds_a_write_up_and_done_tells_how_far_it_came");
    rouse_fd_free(channel.in);
    claim(rouse_fd_write(channel.out, pattern, 1) == -EPIPE,
          "a_pipe_that_nobody_reads_is_an_error_and_no_signal");
    rouse_fd_free(channel.out);

    channel = channel_new();
    must(rouse_spawn(&reader, read_pattern, channel.in), "spawn");
    rouse_fd_write_all_init(&all, channel.out, pattern, sizeof pattern);
    rouse_future_drop(&all.base);
    must(rouse_abort_and_wait(&reader) == -ECANCELED ? 0 : -EINVAL, "abort");
    must(rouse_fd_write(channel.out, "x", 1), "write");
    claim(rouse_fd_read(channel.in, &byte, 1) == 1 && byte == 'x',
          "dropped_transfers_have_moved_nothing");
    channel_free(&channel);
}

// More than a pipe holds.
static int write_much(void *arg)
{
    static const char block[1 << 21];

    return (int)rouse_fd_write_all(arg, block, sizeof block);
}

static void free_under_transfers(void)
{
    struct channel full = channel_new();
    struct channel empty = channel_new();
    struct rouse_join_handle writer;
    struct rouse_join_handle reader;

    must(rouse_spawn(&writer, write_much, full.out), "spawn");
    must(rouse_spawn(&reader, read_pattern, empty.in), "spawn");
    until_in_use(empty.in, 1);
    until_in_use(full.out, 1);
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    rouse_fd_free(full.out);
    rouse_fd_free(empty.in);
    claim(rouse_join(&writer) == -EBADF && rouse_join(&reader) == -EBADF,
          "free_ends_transfers_that_wait");
    rouse_fd_free(full.in);
    rouse_fd_free(empty.out);
}

// ---- The end ----

static int wait_readable(void *arg)
{
    return rouse_fd_wait(arg, ROUSE_READABLE);
}

static int try_readable(void *arg)
{
    char byte;
    struct transfer in = {&byte, 1};

    return (int)rouse_fd_try_io(arg, ROUSE_READABLE, read_some, &in);
}

static void end_under_waiters(void)
{
    struct channel freed = channel_new();
    struct channel released = channel_new();
    struct rouse_join_handle waiters[4];
    int number;

    must(rouse_spawn(&waiters[0], wait_readable, freed.in), "spawn");
    must(rouse_spawn(&waiters[1], try_readable, freed.in), "spawn");
    must(rouse_spawn(&waiters[2], wait_readable, released.in), "spawn");
    must(rouse_spawn(&waiters[3], try_readable, released.in), "spawn");
    until_in_use(freed.in, 2);
    until_in_use(released.in, 2);
    rouse_sleep(5 * ROUSE_NS_PER_MS);
    rouse_fd_free(freed.in);
    claim(rouse_join(&waiters[0]) == -EBADF && rouse_join(&waiters[1]) == -EBADF,
          "free_ends_every_wait");
    do {
        number = rouse_fd_release(released.in);
    } while (number == -EBUSY);
    claim(rouse_join(&waiters[2]) == -EBADF && rouse_join(&waiters[3]) == -EBADF,
          "release_ends_every_wait");
    claim(number >= 0 && fcntl(number, F_GETFD) >= 0, "release_leaves_it_open");
    close(number);
    rouse_fd_free(freed.out);
    rouse_fd_free(released.out);
}

static void cancelled(void)
{
    struct channel channel = channel_new();
    struct rouse_join_handle waiter;

    must(rouse_spawn(&waiter, try_readable, channel.in), "spawn");
    rouse_sleep(2 * ROUSE_NS_PER_MS);
    claim(rouse_abort_and_wait(&waiter) == -ECANCELED, "a_wait_can_be_cancelled");
    must(write(rouse_fd_number(channel.out), "x", 1), "write");
    claim(try_readable(channel.in) == 1, "a_cancelled_wait_has_done_nothing");
    channel_free(&channel);
}

// Threads of the blocking pool are plain threads to every wait.
static int64_t wait_writable(void *arg)
{
    return rouse_fd_wait(arg, ROUSE_WRITABLE);
}

static void on_a_plain_thread(void)
{
    struct channel channel = channel_new();
    int64_t result = -1;

    must(rouse_blocking(wait_writable, channel.out, &result), "blocking");
    claim(result == 0, "a_plain_thread_may_wait");
    channel_free(&channel);
}

static int run_all(void *arg)
{
    (void)arg;
    adoption();
    readiness();
    clearing();
    hangup();
    unpollable();
    stream();
    bell();
    failing();
    transfers();
    free_under_transfers();
    end_under_waiters();
    cancelled();
    on_a_plain_thread();
    return 0;
}

int main(void)
{
    struct rouse_stats stats;

    alarm(50);
    must(rouse_run(run_all, NULL), "run");
    rouse_stats_get(&stats);
    claim(stats.allocations == 0 && stats.sources == 0, "nothing_is_left");
    return claims_end();
}
