// SPDX-License-Identifier: MIT
//
// Waiting on descriptors that somebody else made: pipes here. Readiness, operations that are tried
// again, and what happens to waiters when the descriptor goes.

#include <fcntl.h>
#include <rouse/error.h>
#include <rouse/fd.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <string.h>
#include <unistd.h>

#include "harness/api.h"

static struct rouse_fd *reading_end;
static int writing_end;
static _Atomic int waiting;

static void open_pipe(void)
{
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(rouse_fd_adopt(&reading_end, ends[0]), 0);
    CHECK_EQ(rouse_fd_number(reading_end), ends[0]);
    CHECK((fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    writing_end = ends[1];
}

static void close_pipe(void)
{
    rouse_fd_free(reading_end);
    CHECK_EQ(close(writing_end), 0);
}

// Waits until the pipe is readable; says when it waits. Polled by a function: not to be aborted.
struct waiter {
    struct body body;
    struct rouse_fd_ready ready;
    struct rouse_poll_fn poll_ready;
};

static rouse_poll poll_ready(void *arg, struct rouse_context *cx)
{
    rouse_poll poll = rouse_future_poll(arg, cx);

    if (poll == ROUSE_PENDING) count_add(&waiting, 1);
    return poll;
}

static rouse_poll waiter(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(waiter, frame, cx);
    rouse_fd_ready_init(&f->ready, reading_end, ROUSE_READABLE);
    rouse_poll_fn_init(&f->poll_ready, poll_ready, &f->ready.base);
    AWAIT(&f->poll_ready.base);
    BODY_RETURN(f->ready.output);
    BODY_END();
}

struct wait_ends_when_data_comes {
    struct body body;
    int round;
    uint64_t tick;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
    char buf[8];
};

static rouse_poll wait_ends_when_data_comes(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wait_ends_when_data_comes, frame, cx);
    open_pipe();
    for (f->round = 0; f->round < 5; f->round++) {
        count_add(&waiting, -count_get(&waiting));
        f->tick = rouse_fd_tick(reading_end, ROUSE_READABLE);
        CHECK_EQ(read(rouse_fd_number(reading_end), f->buf, sizeof f->buf), -1);
        rouse_fd_clear(reading_end, ROUSE_READABLE, f->tick);
        CHECK_EQ(SPAWN(&f->handle, waiter, .body.end = NULL), 0);
        while (count_get(&waiting) == 0) {
            rouse_sleep_init(&f->sleep, MS);
            AWAIT(&f->sleep.base);
        }
        CHECK_EQ(write(writing_end, "data", 4), 4);
        AWAIT(&f->handle.base);
        CHECK_EQ(joined(&f->handle), 0);
        CHECK(rouse_fd_tick(reading_end, ROUSE_READABLE) > f->tick);
        CHECK_EQ(read(rouse_fd_number(reading_end), f->buf, sizeof f->buf), 4);
    }
    close_pipe();
    BODY_END();
}

struct closing_ends_a_wait {
    struct body body;
    int fd;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll closing_ends_a_wait(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(closing_ends_a_wait, frame, cx);
    open_pipe();
    f->fd = rouse_fd_number(reading_end);
    CHECK_EQ(SPAWN(&f->handle, waiter, .body.end = NULL), 0);
    while (count_get(&waiting) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    close_pipe();
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -EBADF);
    CHECK_EQ(fcntl(f->fd, F_GETFD), -1);
    BODY_END();
}

struct release_gives_the_descriptor_back {
    struct body body;
    int fd;
    char buf[4];
    struct rouse_fd_ready ready;
};

static rouse_poll release_gives_the_descriptor_back(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(release_gives_the_descriptor_back, frame, cx);
    open_pipe();
    CHECK_EQ(write(writing_end, "data", 4), 4);
    rouse_fd_ready_init(&f->ready, reading_end, ROUSE_READABLE);
    AWAIT(&f->ready.base);
    CHECK_EQ(f->ready.output, 0);
    f->fd = rouse_fd_number(reading_end);
    CHECK_EQ(rouse_fd_release(reading_end), f->fd);
    CHECK_EQ(read(f->fd, f->buf, 4), 4);
    CHECK_EQ(close(f->fd), 0);
    CHECK_EQ(close(writing_end), 0);
    BODY_END();
}

struct dropped_wait_can_be_repeated {
    struct body body;
    struct rouse_fd_ready ready;
    struct rouse_timeout timeout;
};

static rouse_poll dropped_wait_can_be_repeated(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_wait_can_be_repeated, frame, cx);
    open_pipe();
    rouse_fd_clear(reading_end, ROUSE_READABLE, rouse_fd_tick(reading_end, ROUSE_READABLE));
    rouse_fd_ready_init(&f->ready, reading_end, ROUSE_READABLE);
    rouse_timeout_init(&f->timeout, &f->ready.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(write(writing_end, "data", 4), 4);
    rouse_fd_ready_init(&f->ready, reading_end, ROUSE_READABLE);
    AWAIT(&f->ready.base);
    CHECK_EQ(f->ready.output, 0);
    close_pipe();
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
static ssize_t read_some(int fd, void *arg)
{
    ssize_t count = read(fd, arg, 4);

    return count < 0 ? -errno : count;
}

static void *write_soon(void *unused)
{
    nap_ns(3 * MS);
    CHECK_EQ(write(writing_end, "late", 4), 4);
    return unused;
}

struct try_io_waits_while_it_would_block {
    struct body body;
    pthread_t thread;
    char buf[4];
};

static rouse_poll try_io_waits_while_it_would_block(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(try_io_waits_while_it_would_block, frame, cx);
    open_pipe();
    f->thread = thread_start(write_soon, NULL);
    CHECK_EQ(rouse_fd_try_io(reading_end, ROUSE_READABLE, read_some, f->buf), 4);
    CHECK_EQ(memcmp(f->buf, "late", 4), 0);
    thread_join(f->thread);
    CHECK_EQ(write(writing_end, "more", 4), 4);
    CHECK_EQ(rouse_fd_wait(reading_end, ROUSE_READABLE), 0);
    close_pipe();
    BODY_END();
}
#endif

static void bad_descriptors_are_refused(void)
{
    struct rouse_fd *fd;

    CHECK_EQ(rouse_fd_adopt(&fd, -1), -EBADF);
    CHECK_EQ(rouse_fd_adopt(&fd, 100000), -EBADF);
    rouse_fd_free(NULL);
}

const struct api_test API_TESTS[] = {
    {TEST(wait_ends_when_data_comes)},
    {TEST(closing_ends_a_wait)},
    {TEST(release_gives_the_descriptor_back)},
    {TEST(dropped_wait_can_be_repeated)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(try_io_waits_while_it_would_block)},
#endif
    {PLAIN(bad_descriptors_are_refused), .any_reactor = true, .any_style = true},
    {0}};
