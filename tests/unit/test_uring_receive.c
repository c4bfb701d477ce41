// SPDX-License-Identifier: MIT
//
// Receiving ahead, through the back end's table: what comes is read in order and once, whatever
// ends a receive, and every buffer comes back. Small queues and changed entries are played by the
// table of system calls.

#include <errno.h>
#include <linux/io_uring.h>
#include <rouse/clock.h>
#include <rouse/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"
#include "io/backend.h"
#include "io/inflow.h"
#include "stream_pair.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)

enum {
    READ = ROUSE_READABLE | RS_WATCH_EDGE,
    MANY = 300,  // more than there are buffers, and more than the small queues hold
    BULK = 1 << 20,
};

static const struct rs_backend_ops *const ops = &rs_backend_io_uring;
static struct rs_backend *backend;
static struct rs_event event;

// ---- The kernel's part ----

static unsigned queue_size;  // 0: as asked for
static bool spoils;          // receives are handed over with a flag that no kernel knows
static bool denies;
static struct io_uring_sqe *entries;

static int play_setup(unsigned count, struct io_uring_params *params)
{
    return rs_sys_real.io_uring_setup(queue_size > 0 ? queue_size : count, params);
}

static int play_mmap(void **out, size_t size, int protection, int flags, int fd, off_t offset)
{
    int err = rs_sys_real.mmap_file(out, size, protection, flags, fd, offset);

    if (err == 0 && offset == (off_t)IORING_OFF_SQES) entries = *out;
    return err;
}

static int play_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                      const struct timespec *timeout)
{
    if (denies) return -EPERM;
    for (int i = 0; spoils && i < 256; i++) {
        if (entries[i].opcode == IORING_OP_RECV) entries[i].ioprio |= 1 << 15;
    }
    return rs_sys_real.io_uring_enter(fd, to_submit, wait_for, flags, timeout);
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static int log_lines;

static void count_line(void *data, const struct rouse_log_record *record)
{
    (void)data;
    log_lines += strstr(record->message, "to receive ahead was refused") != NULL;
}

// ---- Ours ----

static void begin(void)
{
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
}

static int watch(int fd, uint64_t key)
{
    return ops->watch(backend, fd, key, RS_WATCH_NONE, READ | RS_WATCH_RECEIVE);
}

static void unwatch(int fd)
{
    (void)ops->watch(backend, fd, 0, READ, RS_WATCH_NONE);
}

// Waits for one event. True if it is of `key` and says readable.
static bool hears(uint64_t key, uint64_t timeout_ns)
{
    event = (struct rs_event){0};
    return ops->wait(backend, &event, 1, timeout_ns) == 1 && event.key == key &&
           (event.ready & ROUSE_READABLE) != 0;
}

static ssize_t take(int fd, void *buf, size_t size)
{
    struct rs_inflow_read read = {.buf = buf, .size = size};
    ssize_t result = ops->receive->read(backend, fd, &read);

    rs_inflow_free(&read.spent);
    return result;
}

// As a source reads: the kernel is asked when nothing more is received.
static ssize_t take_or_ask(int fd, void *buf, size_t size)
{
    ssize_t result = take(fd, buf, size);

    if (result != -ENODATA) return result;
    result = recv(fd, buf, size, MSG_DONTWAIT);
    return result < 0 ? -errno : result;
}

// ---- The cases ----

static void what_comes_is_read(void)
{
    struct rs_inflow_read lent = {0};
    char buf[8] = {0};
    int ends[2];

    begin();
    stream_pair(ends);
    claim(watch(ends[0], 7) == 1, "a stream is received");
    claim(!hears(7, 0) && take(ends[0], buf, 8) == -EAGAIN, "nothing comes from nothing");
    put(ends[1], "abcdef", 6);
    claim(hears(7, LONG_NS) && recv(ends[0], buf, 8, MSG_DONTWAIT) < 0,
          "the kernel's bytes have been taken when the event comes");
    claim(ops->receive->read(backend, ends[0], NULL) == 1, "one can look before one reads");
    claim(take(ends[0], buf, 2) == 2 && memcmp(buf, "ab", 2) == 0, "a part can be read");
    claim(ops->receive->read(backend, ends[0], &lent) == 4 && memcmp(lent.lent, "cdef", 4) == 0,
          "the rest comes in its buffer");
    rouse_buffer_free(lent.lent);
    put(ends[1], "g", 1);
    claim(hears(7, LONG_NS) && take(ends[0], buf, 8) == 1 && buf[0] == 'g',
          "it goes on without being asked for again");
    (void)shutdown(ends[1], SHUT_WR);
    claim(hears(7, LONG_NS) && (event.ready & ROUSE_HANGUP) != 0 &&
              take(ends[0], buf, 8) == -ENODATA && recv(ends[0], buf, 8, MSG_DONTWAIT) == 0,
          "the end is the kernel's to tell");
    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
}

static void errors_come_after_the_bytes(void)
{
    const struct linger now = {.l_onoff = 1};
    char buf[8];
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 7);
    (void)hears(7, 0);
    put(ends[1], "ab", 2);
    (void)hears(7, LONG_NS);
    (void)setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)close(ends[1]);
    claim(hears(7, LONG_NS) && (event.ready & ROUSE_ERROR) != 0, "a reset is an event");
    claim(take(ends[0], buf, 8) == 2 && take(ends[0], buf, 8) == -ECONNRESET &&
              take(ends[0], buf, 8) == -ENODATA,
          "and an error, once, after the last byte");
    unwatch(ends[0]);
    (void)close(ends[0]);
    ops->close(backend);
}

static void late_for_who_was_closed(void)
{
    char buf[8];
    int first[2];
    int second[2];

    begin();
    stream_pair(first);
    (void)watch(first[0], 1);
    (void)hears(1, 0);
    put(first[1], "old", 3);
    // The completion lies in the queue when the receive is cancelled.
    unwatch(first[0]);
    int number = first[0];

    stream_close(first);
    stream_pair(second);
    need(second[0] == number || second[1] == number, "reuse of the number");
    int far = second[0] == number ? second[1] : second[0];

    claim(watch(number, 2) == 1 && !hears(2, 0) && take(number, buf, 8) == -EAGAIN,
          "what came for the number's former owner reaches nobody");
    put(far, "new", 3);
    claim(hears(2, LONG_NS) && take(number, buf, 8) == 3 && memcmp(buf, "new", 3) == 0,
          "what comes for the new one does");
    unwatch(number);
    ops->close(backend);
    stream_close(second);
}

static void a_close_is_seen_at_once(void)
{
    char byte;
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)hears(1, 0);
    unwatch(ends[0]);
    (void)close(ends[0]);
    claim(recv(ends[1], &byte, 1, 0) == 0, "the peer sees a close while the receive was armed");
    (void)close(ends[1]);
    ops->close(backend);
}

// Each of many streams has a byte before anybody looks.
static int read_from_many(int (*ends)[2])
{
    static struct rs_event events[64];
    int done = 0;
    int count;

    for (int i = 0; i < MANY; i++) (void)watch(ends[i][0], (uint64_t)i);
    (void)ops->wait(backend, events, 1, 0);
    for (int i = 0; i < MANY; i++) put(ends[i][1], "x", 1);
    while (done < MANY && (count = ops->wait(backend, events, 64, LONG_NS)) > 0) {
        for (int i = 0; i < count; i++) {
            char buf[4];

            done += take_or_ask(ends[events[i].key][0], buf, sizeof buf) == 1;
        }
    }
    return done;
}

static void more_than_fits(const char *text, const char *again)
{
    static int ends[MANY][2];

    begin();
    for (int i = 0; i < MANY; i++) stream_pair(ends[i]);
    claim(read_from_many(ends) == MANY, text);
    for (int i = 0; i < MANY; i++) put(ends[i][1], "y", 1);
    int done = 0;

    while (done < MANY && ops->wait(backend, &event, 1, LONG_NS) == 1) {
        char buf[4];

        done += take_or_ask(ends[event.key][0], buf, sizeof buf) == 1;
    }
    claim(done == MANY, again);
    for (int i = 0; i < MANY; i++) {
        unwatch(ends[i][0]);
        stream_close(ends[i]);
    }
    ops->close(backend);
}

static void no_buffers(void)
{
    char buf[8];
    int ends[2];

    begin();
    stream_pair(ends);
    rs_sys.malloc = no_memory;
    (void)watch(ends[0], 1);
    for (int i = 0; i < 3; i++) {
        (void)hears(1, 0);
        put(ends[1], "x", 1);
        (void)hears(1, LONG_NS);
        if (take(ends[0], buf, 8) == -ENODATA) break;
    }
    rs_sys.malloc = rs_sys_real.malloc;
    // Drained of what came while there was a buffer, which is that of the probe.
    while (recv(ends[0], buf, 8, MSG_DONTWAIT) > 0) {
    }
    (void)hears(1, 0);
    put(ends[1], "z", 1);
    claim(hears(1, LONG_NS) && take(ends[0], buf, 8) == -ENODATA &&
              recv(ends[0], buf, 8, MSG_DONTWAIT) == 1 && buf[0] == 'z',
          "a stream that found no buffer is polled from then on");
    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
}

static bool is_pattern(const unsigned char *bytes, size_t count, size_t at)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != (unsigned char)((at + i) * 31 >> 3)) return false;
    }
    return true;
}

static void a_reader_that_lags(void)
{
    static unsigned char bulk[BULK];
    size_t sent = 0;
    size_t got = 0;
    bool in_order = true;
    int64_t lent = rs_counter_sum(RS_COUNTER_BUFFERS);
    int ends[2];

    for (size_t i = 0; i < BULK; i++) bulk[i] = (unsigned char)(i * 31 >> 3);
    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)hears(1, 0);
    // Nobody reads, until no more goes in for some turns.
    for (int still = 0; still < 20 && sent < BULK; still++) {
        ssize_t count = send(ends[1], bulk + sent, BULK - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (count > 0) sent += (size_t)count;
        if (count > 0) still = 0;
        (void)hears(1, ROUSE_NS_PER_MS);
    }
    claim(rs_counter_sum(RS_COUNTER_BUFFERS) - lent <= 256,
          "what an unread stream holds is bounded");
    while (got < BULK) {
        static unsigned char buf[65536];
        ssize_t count = send(ends[1], bulk + sent, BULK - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (count > 0) sent += (size_t)count;
        count = take_or_ask(ends[0], buf, sizeof buf);
        if (count > 0) {
            in_order = in_order && is_pattern(buf, (size_t)count, got);
            got += (size_t)count;
        } else if (!hears(1, LONG_NS)) {
            break;
        }
    }
    claim(in_order && got == BULK, "its bytes come in order, some by the ring and the others not");
    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
}

static void asked_to_end(void)
{
    struct rs_inflow unread;
    char buf[8];
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)hears(1, 0);
    put(ends[1], "ab", 2);
    ops->receive->end(backend, ends[0]);
    for (int i = 0; i < 8 && ops->receive->read(backend, ends[0], NULL) == -EAGAIN; i++) {
        (void)hears(1, LONG_NS);
    }
    bool whole = take_or_ask(ends[0], buf, 8) == 2;

    for (int i = 0; i < 8 && take(ends[0], buf, 8) == -EAGAIN; i++) (void)hears(1, LONG_NS);
    claim(whole && take(ends[0], buf, 8) == -ENODATA,
          "a receive that is cancelled loses nothing of what came meanwhile");
    unwatch(ends[0]);

    int other[2];

    stream_pair(other);
    (void)watch(ends[0], 2);
    (void)ops->watch(backend, other[0], 3, RS_WATCH_NONE, READ);
    (void)hears(2, 0);
    put(other[1], "e", 1);
    put(ends[1], "cd", 2);
    ops->receive->halt(backend);
    claim(ops->receive->leave(backend, ends[0], &unread) == 0 &&
              (!rs_inflow_is_empty(&unread) || recv(ends[0], buf, 8, MSG_DONTWAIT) == 2),
          "nor does one that is halted with all others");
    rs_inflow_free(&unread);
    unwatch(ends[0]);
    claim(hears(3, LONG_NS), "what was polled is told of all the same");
    unwatch(other[0]);
    ops->close(backend);
    stream_close(other);
    stream_close(ends);
}

// The kernel has not taken the receive, and never will.
static void halted_before_it_began(void)
{
    char buf[8];
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    put(ends[1], "ab", 2);
    denies = true;
    claim(ops->wait(backend, &event, 1, LONG_NS) == -EPERM, "a ring that is denied says so");
    ops->receive->halt(backend);
    claim(take(ends[0], buf, 8) == -ENODATA && recv(ends[0], buf, 8, MSG_DONTWAIT) == 2,
          "a receive that was not handed over has ended, and the kernel has the bytes");
    denies = false;
    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
}

static void refused(void)
{
    char buf[8];
    int ends[2];

    rouse_log_set_hook(count_line, NULL, ROUSE_LOG_INFO);
    begin();
    stream_pair(ends);
    spoils = true;
    (void)watch(ends[0], 1);
    (void)hears(1, LONG_NS);
    put(ends[1], "ab", 2);
    for (int i = 0; i < 4 && take(ends[0], buf, 8) == -EAGAIN; i++) (void)hears(1, LONG_NS);
    claim(take_or_ask(ends[0], buf, 8) == 2,
          "a stream whose receive is refused is polled and read");
    int other[2];

    stream_pair(other);
    claim(watch(other[0], 2) == 0, "and no other one is received then");
    claim(log_lines == 1, "one line in the log says so");
    unwatch(ends[0]);
    unwatch(other[0]);
    ops->close(backend);
    stream_close(other);

    begin();
    claim(watch(ends[0], 3) == 0, "one that is refused at the start is only polled");
    put(ends[1], "c", 1);
    claim(hears(3, LONG_NS) && take_or_ask(ends[0], buf, 8) == 1, "and works as ever");
    spoils = false;
    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
    rouse_log_set_hook(NULL, NULL, ROUSE_LOG_INFO);
}

int main(void)
{
    (void)setenv("ROUSE_URING_RECV", "multishot", 1);
    if (ops->open(&backend, rouse_allocator_default()) < 0) {
        printf("1..0 # SKIP no io_uring here\n");
        return 77;
    }
    int ends[2];

    stream_pair(ends);
    bool can = watch(ends[0], 1) == 1;

    unwatch(ends[0]);
    ops->close(backend);
    stream_close(ends);
    if (!can) {
        printf("1..0 # SKIP this kernel does not receive ahead\n");
        return 77;
    }
    (void)alarm(50);
    rs_sys.io_uring_setup = play_setup;
    rs_sys.mmap_file = play_mmap;
    rs_sys.io_uring_enter = play_enter;
    int64_t buffers = rs_counter_sum(RS_COUNTER_BUFFERS) +
                      rs_counter_sum(RS_COUNTER_BUFFERS_CACHED);
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    what_comes_is_read();
    errors_come_after_the_bytes();
    late_for_who_was_closed();
    a_close_is_seen_at_once();
    more_than_fits("each of more streams than there are buffers is read", "and again");
    queue_size = 4;
    more_than_fits("so they are where both queues are too small", "and again, after the overflow");
    queue_size = 0;
    no_buffers();
    a_reader_that_lags();
    asked_to_end();
    halted_before_it_began();
    refused();
    claim(rs_counter_sum(RS_COUNTER_BUFFERS) + rs_counter_sum(RS_COUNTER_BUFFERS_CACHED) ==
                  buffers &&
              rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations,
          "after all that each buffer has been given back");
    return claims_end();
}
