// SPDX-License-Identifier: MIT
//
// A source that is received ahead, over drivers turned by hand: what has come outlives the driver,
// moves with the source, is given up with it, and survives a kernel that refuses. One thread.

#include "io/source.h"

#include <errno.h>
#include <rouse.h>
#include <string.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"
#include "hand_waker.h"
#include "io/driver.h"
#include "io/inflow.h"
#include "stream_pair.h"

enum { TURNS = 200 };

struct reader {
    struct rs_source source;
    struct rouse_io_wait wait;
    struct hand_waker hand;
    char buf[64];
    ssize_t result;
    int far;
};

static struct reader reader;

static ssize_t reader_try(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return rs_source_recv(&reader.source, reader.buf, sizeof reader.buf);
}

static rouse_poll reader_poll(struct rouse_driver *driver)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &reader.hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rs_source_poll(&reader.source, RS_READ, &reader.wait, &cx, reader_try, NULL,
                          sizeof reader.buf, &reader.result);
}

static void turn(struct rouse_driver *driver)
{
    (void)rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_MS));
}

// Polls and turns until the read is over. True if it brought `text`.
static bool reads(struct rouse_driver *driver, const char *text)
{
    for (int i = 0; i < TURNS; i++) {
        if (reader_poll(driver) == ROUSE_READY) {
            return reader.result == (ssize_t)strlen(text) &&
                   memcmp(reader.buf, text, strlen(text)) == 0;
        }
        turn(driver);
    }
    return false;
}

static struct rouse_driver *driver_new(void)
{
    const struct rouse_driver_options options = {.size = sizeof options, .reactor = "io_uring"};
    struct rouse_driver *driver;

    need(rouse_driver_new(&driver, &options) == 0, "driver");
    return driver;
}

static void reader_open(void)
{
    int ends[2];

    stream_pair(ends);
    reader = (struct reader){.far = ends[1]};
    rs_source_init(&reader.source, ends[0]);
    rs_source_may_receive(&reader.source);
}

static void reader_close(void)
{
    rs_source_unwait(&reader.wait);
    rs_source_close(&reader.source);
    (void)close(reader.far);
}

// A read that waits, and whose receive is armed.
static void waits(struct rouse_driver *driver)
{
    need(reader_poll(driver) == ROUSE_PENDING, "an empty stream");
    turn(driver);
}

static void a_read_is_received(void)
{
    struct rouse_driver *driver = driver_new();

    reader_open();
    claim(!rs_source_receives(&reader.source), "before the first wait the kernel is asked");
    waits(driver);
    claim(rs_source_receives(&reader.source), "from then on it is received");
    put(reader.far, "one", 3);
    claim(reads(driver, "one"), "what comes ends the read");
    claim(!rs_source_may_be_ready(&reader.source, RS_READ),
          "a read that leaves nothing shows that there is nothing");
    waits(driver);
    rs_source_unwait(&reader.wait);
    put(reader.far, "two", 3);
    turn(driver);
    claim(reads(driver, "two"), "what comes after a read was dropped is for the next one");
    put(reader.far, "three", 5);
    turn(driver);
    (void)shutdown(reader.far, SHUT_WR);
    claim(reads(driver, "three") && reads(driver, ""), "the end comes after the last byte");
    reader_close();
    rouse_driver_free(driver);
}

static void a_driver_goes_away(void)
{
    struct rouse_driver *first = driver_new();
    struct rouse_driver *second = driver_new();

    reader_open();
    waits(first);
    rs_source_unwait(&reader.wait);
    put(reader.far, "left", 4);
    turn(first);
    put(reader.far, " behind", 7);
    rouse_driver_free(first);
    claim(reads(second, "left behind"), "what a driver had received is read under the next one");
    waits(second);
    put(reader.far, "more", 4);
    claim(reads(second, "more"), "which then receives");
    waits(second);
    rs_source_unwait(&reader.wait);
    put(reader.far, "unread", 6);
    turn(second);
    rouse_driver_free(second);
    reader_close();
    claim(rs_counter_sum(RS_COUNTER_BUFFERS) == 0,
          "what nobody has read is given back with the source");
}

static void a_source_moves(void)
{
    struct rouse_driver *first = driver_new();
    struct rouse_driver *second = driver_new();

    reader_open();
    waits(first);
    rs_source_unwait(&reader.wait);
    put(reader.far, "first", 5);
    // Nobody turns the first one any more.
    claim(reads(second, "first"), "what came at one home is read at the next");
    waits(second);
    put(reader.far, "second", 6);
    claim(reads(second, "second"), "where later bytes come");
    reader_close();
    rouse_driver_free(first);
    rouse_driver_free(second);
}

static void the_kernel_is_wanted(void)
{
    struct rouse_driver *driver = driver_new();

    reader_open();
    waits(driver);
    put(reader.far, "a", 1);
    rs_source_receive_never(&reader.source);
    bool read = reads(driver, "a");

    for (int i = 0; i < TURNS && rs_source_receives(&reader.source); i++) {
        (void)reader_poll(driver);
        turn(driver);
    }
    claim(read && !rs_source_receives(&reader.source),
          "who wants the kernel itself has it once all is read");
    put(reader.far, "b", 1);
    claim(reads(driver, "b"), "and goes on to be told");
    reader_close();
    rouse_driver_free(driver);
}

// ---- A kernel that refuses ----

static bool denies_enter;
static bool denies_register;

static int play_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                      const struct timespec *timeout)
{
    if (denies_enter) return -EPERM;
    return rs_sys_real.io_uring_enter(fd, to_submit, wait_for, flags, timeout);
}

static int play_register(int fd, unsigned operation, void *argument, unsigned count)
{
    if (denies_register) return -EPERM;
    return rs_sys_real.io_uring_register(fd, operation, argument, count);
}

static void refused_later(bool also_register, const char *text, const char *closed)
{
    struct rouse_driver *driver = driver_new();
    char byte;

    reader_open();
    waits(driver);
    put(reader.far, "before", 6);
    denies_enter = true;
    denies_register = also_register;
    bool ok = reads(driver, "before");

    for (int i = 0; i < TURNS && strcmp(rouse_driver_reactor(driver), "epoll") != 0; i++) {
        turn(driver);
    }
    ok = ok && strcmp(rouse_driver_reactor(driver), "epoll") == 0;
    for (int i = 0; i < 3; i++) {
        // Twice what a read takes, in two pieces.
        put(reader.far, "after", 5);
        ok = ok && reads(driver, "after");
    }
    claim(ok, text);
    rs_source_unwait(&reader.wait);
    rs_source_close(&reader.source);
    claim(recv(reader.far, &byte, 1, 0) == 0, closed);
    (void)close(reader.far);
    rouse_driver_free(driver);
    denies_enter = false;
    denies_register = false;
}

// Bytes may be missing that nobody will see: the stream says so instead of going on without them.
static void a_driver_goes_away_refused(void)
{
    struct rouse_driver *driver = driver_new();
    struct rouse_driver *next = driver_new();

    reader_open();
    waits(driver);
    rs_source_unwait(&reader.wait);
    denies_enter = true;
    denies_register = true;
    rouse_driver_free(driver);
    denies_enter = false;
    denies_register = false;
    claim(reader_poll(next) == ROUSE_READY && reader.result == -EIO,
          "a stream whose receive could not be ended with its driver fails");
    reader_close();
    rouse_driver_free(next);
}

int main(void)
{
    (void)setenv("ROUSE_URING_RECV", "multishot", 1);
    struct rouse_driver *driver = driver_new();

    reader_open();
    waits(driver);
    bool can = rs_source_receives(&reader.source);

    reader_close();
    rouse_driver_free(driver);
    if (!can) {
        printf("1..0 # SKIP this kernel does not receive ahead\n");
        return 77;
    }
    (void)alarm(50);
    rs_sys.io_uring_enter = play_enter;
    rs_sys.io_uring_register = play_register;
    a_read_is_received();
    a_driver_goes_away();
    a_source_moves();
    the_kernel_is_wanted();
    refused_later(false, "a stream goes on when the ring may not be entered any more",
                  "and its peer sees it close");
    refused_later(true, "so it does when nothing can be cancelled either", "with a close as well");
    a_driver_goes_away_refused();
    claim(rs_counter_sum(RS_COUNTER_BUFFERS) == 0 && rs_counter_sum(RS_COUNTER_FDS) == 0,
          "after all that each buffer and descriptor has been given back");
    return claims_end();
}
