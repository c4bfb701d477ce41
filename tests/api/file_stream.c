// SPDX-License-Identifier: MIT
//
// Files that are streams: pipes and terminals that other processes share, and the standard streams.
// They stay as blocking as they were, and no worker blocks on them.

#include <poll.h>
#include <pty.h>
#include <rouse/file.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <termios.h>

#include "api/folder.h"
#include "harness/api.h"

static struct rouse_file *stream;
static int other_end;

static bool is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

// `stream` reads what is written to `other_end`.
static void open_pipe(void)
{
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(rouse_file_adopt(&stream, ends[0]), 0);
    CHECK_EQ(rouse_file_number(stream), ends[0]);
    other_end = ends[1];
}

static void open_terminal(void)
{
    struct termios raw;
    int master;
    int slave;

    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    CHECK_EQ(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    CHECK_EQ(tcsetattr(slave, TCSANOW, &raw), 0);
    CHECK_EQ(rouse_file_adopt(&stream, slave), 0);
    other_end = master;
}

static void close_both(void)
{
    CHECK(is_blocking(rouse_file_number(stream)));
    rouse_file_unref(stream);
    CHECK_EQ(close(other_end), 0);
}

// The reader sees the end of the stream once the writing end is closed.
static void close_both_after_drain(pthread_t thread)
{
    CHECK(is_blocking(rouse_file_number(stream)));
    rouse_file_unref(stream);
    thread_join(thread);
    CHECK_EQ(close(other_end), 0);
}

static void *write_soon(void *arg)
{
    (void)arg;
    nap_ns(3 * MS);
    CHECK_EQ(write(other_end, "late", 4), 4);
    return NULL;
}

static void (*const openers[])(void) = {open_pipe, open_terminal};

struct reads_wait_for_what_comes {
    struct body body;
    int round;
    struct rouse_file_io io;
    struct rouse_timeout timeout;
    pthread_t thread;
    char buf[8];
};

static rouse_poll reads_wait_for_what_comes(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reads_wait_for_what_comes, frame, cx);
    for (f->round = 0; f->round < 2; f->round++) {
        openers[f->round]();
        rouse_file_read_init(&f->io, stream, f->buf, 8, ROUSE_FILE_POSITION);
        rouse_timeout_init(&f->timeout, &f->io.base, rouse_now_ns() + MS);
        AWAIT(&f->timeout.base);
        CHECK_EQ(f->timeout.output, -ETIMEDOUT);
        f->thread = thread_start(write_soon, NULL);
        rouse_file_read_init(&f->io, stream, f->buf, 8, ROUSE_FILE_POSITION);
        AWAIT(&f->io.base);
        CHECK_EQ(f->io.output, 4);
        CHECK_EQ(memcmp(f->buf, "late", 4), 0);
        thread_join(f->thread);
        CHECK_EQ(write(other_end, "more", 4), 4);
        rouse_file_read_init(&f->io, stream, f->buf, 2, ROUSE_FILE_POSITION);
        AWAIT(&f->io.base);
        CHECK_EQ(f->io.output, 2);
        CHECK_EQ(memcmp(f->buf, "mo", 2), 0);
        rouse_file_write_init(&f->io, stream, "x", 1, 5);
        AWAIT(&f->io.base);
        CHECK(f->io.output == -ESPIPE || f->io.output == -EBADF);
        close_both();
    }
    BODY_END();
}

enum { MUCH = 300000 };

static void *drain(void *arg)
{
    static char buf[4096];
    size_t total = 0;
    ssize_t count;

    (void)arg;
    while ((count = read(other_end, buf, sizeof buf)) > 0) total += (size_t)count;
    CHECK_EQ(total, MUCH);
    return NULL;
}

struct writes_wait_for_room {
    struct body body;
    struct rouse_file_io_all all;
    struct rouse_file_io io;
    pthread_t thread;
    char *bytes;
};

static rouse_poll writes_wait_for_room(void *frame, struct rouse_context *cx)
{
    int ends[2];

    BODY_BEGIN(writes_wait_for_room, frame, cx);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(rouse_file_adopt(&stream, ends[1]), 0);
    other_end = ends[0];
    f->bytes = calloc(1, MUCH);
    f->thread = thread_start(drain, NULL);
    rouse_file_write_all_init(&f->all, stream, f->bytes, MUCH, ROUSE_FILE_POSITION);
    AWAIT(&f->all.base);
    CHECK_EQ(f->all.output, MUCH);
    close_both_after_drain(f->thread);
    free(f->bytes);

    // Nobody reads: an error, and no signal.
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(rouse_file_adopt(&stream, ends[1]), 0);
    CHECK_EQ(close(ends[0]), 0);
    rouse_file_write_init(&f->io, stream, "x", 1, ROUSE_FILE_POSITION);
    AWAIT(&f->io.base);
    CHECK_EQ(f->io.output, -EPIPE);
    rouse_file_unref(stream);
    BODY_END();
}

// The harness has turned these to what it likes: a pipe or a file, perhaps nothing.
static void standard_streams_stay_as_they_are(void)
{
    int flags[3];

    for (int i = 0; i < 3; i++) flags[i] = fcntl(i, F_GETFL);
    for (int i = 0; i < 3; i++) {
        int err = rouse_file_standard(&stream, i);

        CHECK_EQ(err, flags[i] < 0 ? -EBADF : 0);
        if (err < 0) continue;
        CHECK(rouse_file_number(stream) > 2);
        CHECK((fcntl(rouse_file_number(stream), F_GETFD) & FD_CLOEXEC) != 0);
        rouse_file_unref(stream);
        CHECK_EQ(fcntl(i, F_GETFL), flags[i]);
    }
    CHECK_EQ(rouse_file_adopt(&stream, -1), -EBADF);
}

#ifdef ROUSE_TEST_STYLE_FIBER
static void plain_threads_read_streams(void)
{
    char buf[8];

    open_pipe();
    pthread_t thread = thread_start(write_soon, NULL);

    CHECK_EQ(rouse_file_read(stream, buf, 8, ROUSE_FILE_POSITION), 4);
    thread_join(thread);
    // Somebody else has made it non-blocking: it is waited for all the same.
    CHECK_EQ(fcntl(rouse_file_number(stream), F_SETFL, O_NONBLOCK), 0);
    thread = thread_start(write_soon, NULL);
    CHECK_EQ(rouse_file_read(stream, buf, 8, ROUSE_FILE_POSITION), 4);
    thread_join(thread);
    CHECK_EQ(fcntl(rouse_file_number(stream), F_SETFL, 0), 0);
    close_both();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(reads_wait_for_what_comes)},
    {TEST(writes_wait_for_room)},
    {PLAIN(standard_streams_stay_as_they_are), .any_reactor = true, .any_style = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {PLAIN(plain_threads_read_streams), .any_reactor = true, .any_style = true},
#endif
    {0}};
