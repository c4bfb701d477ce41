// SPDX-License-Identifier: MIT
//
// What is particular to the back end on io_uring, through its table: queues that are full or have
// overflown, operations that are cancelled while they report, threads that exit, and a kernel that
// refuses. What every back end promises is in test_backend.c.

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <rouse/clock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"
#include "io/backend.h"
#include "stream_pair.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)

enum { MANY = 1200, LONG_MS = 20000, EDGE = ROUSE_READABLE | RS_WATCH_EDGE, NO_EVENT = 1 << 30 };

static const struct rs_backend_ops *const ops = &rs_backend_io_uring;
static struct rs_backend *backend;

static void begin(void)
{
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
}

static int watch(int fd, uint64_t key)
{
    return ops->watch(backend, fd, key, RS_WATCH_NONE, EDGE);
}

static int unwatch(int fd)
{
    return ops->watch(backend, fd, 0, EDGE, RS_WATCH_NONE);
}

// What is ready for `key` in a wait for one event; NO_EVENT for none.
static uint32_t ready_for(uint64_t key, uint64_t timeout_ns)
{
    struct rs_event event = {0};
    int count = ops->wait(backend, &event, 1, timeout_ns);

    return count == 1 && event.key == key ? event.ready : (uint32_t)NO_EVENT;
}

static int new_event(unsigned count)
{
    int fd = eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC);

    need(fd >= 0, "eventfd");
    return fd;
}

static void post(int fd)
{
    need(eventfd_write(fd, 1) == 0, "eventfd_write");
}

// True if the peer is told that no more will come. Nobody waits in the back end meanwhile.
static bool sees_the_end(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&entry, 1, LONG_MS) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void *wait_once(void *result)
{
    struct rs_event event;

    *(int *)result = ops->wait(backend, &event, 1, ROUSE_NEVER);
    return NULL;
}

// An armed operation holds the file: without a cancel the peer waits until the next turn.
static void a_close_is_seen_at_once(void)
{
    struct rs_event event;
    pthread_t thread;
    int result;
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)ops->wait(backend, &event, 1, 0);
    claim(unwatch(ends[0]) == 0 && close(ends[0]) == 0 && sees_the_end(ends[1]),
          "the peer sees a close without another turn");
    (void)close(ends[1]);

    stream_pair(ends);
    (void)watch(ends[0], 1);
    need(pthread_create(&thread, NULL, wait_once, &result) == 0, "pthread_create");
    (void)usleep(5000);
    claim(unwatch(ends[0]) == 0 && close(ends[0]) == 0 && sees_the_end(ends[1]),
          "also while another thread sleeps, which has armed it");
    ops->notify(backend);
    (void)pthread_join(thread, NULL);
    (void)close(ends[1]);

    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)ops->wait(backend, &event, 1, 0);
    ops->close(backend);
    claim(close(ends[0]) == 0 && sees_the_end(ends[1]),
          "closing the back end lets go of all files");
    (void)close(ends[1]);
}

// Takes events until there are none, at least `wanted`; returns how many keys have had one.
static int collect_keys(bool *seen, int wanted)
{
    struct rs_event events[64];
    int keys = 0;
    int count;

    memset(seen, 0, MANY * sizeof seen[0]);
    do {
        count = ops->wait(backend, events, 64, keys < wanted ? LONG_NS : 0);
        for (int i = 0; i < count; i++) {
            keys += !seen[events[i].key];
            seen[events[i].key] = true;
        }
    } while (count > 0);
    return keys;
}

// More than either queue holds: 256 and 512.
static void more_than_fits(void)
{
    static int fds[MANY];
    static bool seen[MANY];
    uint64_t value;

    begin();
    for (int i = 0; i < MANY; i++) {
        fds[i] = new_event(1);
        need(watch(fds[i], (uint64_t)i) == 0, "watch");
    }
    claim(collect_keys(seen, MANY) == MANY, "each of many that are ready at once is reported");
    for (int i = 0; i < MANY; i++) (void)eventfd_read(fds[i], &value);
    (void)collect_keys(seen, 0);
    for (int i = 0; i < MANY; i++) post(fds[i]);
    claim(collect_keys(seen, MANY) == MANY, "and again, operations that an overflow has ended too");
    for (int i = 0; i < MANY; i += 2) (void)unwatch(fds[i]);
    for (int i = 0; i < MANY; i++) post(fds[i]);
    claim(collect_keys(seen, MANY / 2) == MANY / 2 && !seen[0] && seen[1],
          "of half of them nothing comes once they are given up");
    for (int i = 0; i < MANY; i++) (void)close(fds[i]);
    ops->close(backend);
}

static void cancelled_while_reporting(void)
{
    int fd = new_event(0);
    int other;
    uint64_t value;

    begin();
    (void)watch(fd, 1);
    (void)ready_for(1, 0);
    post(fd);
    (void)unwatch(fd);
    claim(ready_for(1, 0) == NO_EVENT, "an event that came before the cancel is thrown away");
    (void)watch(fd, 2);
    claim(ready_for(2, LONG_NS) == ROUSE_READABLE,
          "what it told of is reported to who watches next");

    (void)eventfd_read(fd, &value);
    post(fd);
    (void)close(fd);
    other = new_event(0);
    need(other == fd, "reuse of the number");
    (void)watch(other, 3);
    claim(ready_for(3, 0) == NO_EVENT, "an event of the number's former owner reaches nobody");
    post(other);
    claim(ready_for(3, LONG_NS) == ROUSE_READABLE, "those of the new one do");
    (void)unwatch(other);
    (void)close(other);
    ops->close(backend);
}

static int enter_error;

static int refuse_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                        const struct timespec *timeout)
{
    (void)fd;
    (void)to_submit;
    (void)wait_for;
    (void)flags;
    (void)timeout;
    return enter_error;
}

// The kernel takes nothing for a while, so that the queue of submissions fills up.
static void a_cancel_finds_the_queue_full(void)
{
    static int fds[MANY / 2];
    struct rs_event event;
    int ends[2];

    begin();
    stream_pair(ends);
    (void)watch(ends[0], 1);
    (void)ready_for(1, 0);
    enter_error = -EAGAIN;
    rs_sys.io_uring_enter = refuse_enter;
    for (int i = 0; i < MANY / 2; i++) {
        fds[i] = new_event(0);
        (void)watch(fds[i], 2);
    }
    claim(ops->wait(backend, &event, 1, 0) == 0 && ops->wait(backend, &event, 1, LONG_NS) == 0,
          "a kernel that is out of memory is asked again later");
    (void)unwatch(ends[0]);
    rs_sys.io_uring_enter = rs_sys_real.io_uring_enter;
    (void)close(ends[0]);
    (void)ready_for(2, 0);
    claim(sees_the_end(ends[1]), "a cancel that found the queue full is not lost");
    post(fds[MANY / 2 - 1]);
    claim(ready_for(2, LONG_NS) == ROUSE_READABLE, "nor is what was to be watched");
    for (int i = 0; i < MANY / 2; i++) (void)close(fds[i]);
    (void)close(ends[1]);
    ops->close(backend);
}

static void *arm(void *unused)
{
    (void)ready_for(1, 0);
    return unused;
}

// The kernel cancels what an exiting thread has handed over.
static void the_arming_thread_exits(void)
{
    int fd = new_event(0);
    pthread_t thread;
    int result = -1;

    begin();
    (void)watch(fd, 1);
    need(pthread_create(&thread, NULL, arm, NULL) == 0, "pthread_create");
    (void)pthread_join(thread, NULL);
    post(fd);
    claim(ready_for(1, LONG_NS) == ROUSE_READABLE,
          "a watch outlives the thread that handed it over");
    need(pthread_create(&thread, NULL, wait_once, &result) == 0, "pthread_create");
    (void)usleep(5000);
    ops->notify(backend);
    (void)pthread_join(thread, NULL);
    claim(result == 0, "so does the notifier");
    (void)close(fd);
    ops->close(backend);
}

static uint32_t features_hidden;
static int setup_error;
static uint32_t flags_unknown;
static uint32_t flags_asked;  // of the last setup
static uint8_t allowed[4];    // operations, where `restricts`
static unsigned allowed_count;
static bool restricts;

static void restrict_ring(int fd)
{
    struct io_uring_restriction list[5];

    memset(list, 0, sizeof list);
    for (unsigned i = 0; i < allowed_count; i++) {
        list[i].opcode = IORING_RESTRICTION_SQE_OP;
        list[i].sqe_op = allowed[i];
    }
    list[allowed_count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[allowed_count].sqe_flags = IOSQE_CQE_SKIP_SUCCESS;
    need(rs_sys.io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, list, allowed_count + 1) == 0 &&
             rs_sys.io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0,
         "restrictions");
}

static int play_setup(unsigned entries, struct io_uring_params *params)
{
    if (setup_error < 0) return setup_error;
    flags_asked = params->flags;
    if ((params->flags & flags_unknown) != 0) return -EINVAL;
    if (restricts) params->flags |= IORING_SETUP_R_DISABLED;
    int fd = rs_sys_real.io_uring_setup(entries, params);

    if (fd >= 0 && restricts) restrict_ring(fd);
    params->features &= ~features_hidden;
    return fd;
}

static bool opens_with(int expected)
{
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);
    int err = ops->open(&backend, rouse_allocator_default());

    return err == expected && rs_counter_sum(RS_COUNTER_FDS) == fds &&
           rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations;
}

static void refused_at_the_start(void)
{
    rs_sys.io_uring_setup = play_setup;
    setup_error = -EPERM;
    claim(opens_with(-EPERM), "a kernel that gives no ring is told of");
    setup_error = 0;
    features_hidden = IORING_FEAT_CQE_SKIP;
    claim(opens_with(-ENOSYS), "one that is too old counts as without");
    features_hidden = 0;
    enter_error = -ENOSYS;
    rs_sys.io_uring_enter = refuse_enter;
    claim(opens_with(-ENOSYS), "a ring that cannot be entered is noticed when it is opened");
    rs_sys.io_uring_enter = rs_sys_real.io_uring_enter;
    restricts = true;
    claim(opens_with(-EACCES), "so is one that may not poll");
    restricts = false;
    flags_unknown = IORING_SETUP_COOP_TASKRUN;
    begin();
    ops->close(backend);
    claim(flags_asked == IORING_SETUP_SUBMIT_ALL,
          "one that knows no cooperative work gives a ring without it");
    flags_unknown = 0;
    rs_sys.io_uring_setup = rs_sys_real.io_uring_setup;
}

static void refused_later(void)
{
    static const int errors[] = {-EPERM, -EACCES, -ENOSYS, -EINVAL};
    bool told = true;
    struct rs_event event;
    int fd = new_event(0);

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        begin();
        (void)watch(fd, 1);
        (void)ready_for(1, 0);
        enter_error = errors[i];
        rs_sys.io_uring_enter = refuse_enter;
        told = told && ops->wait(backend, &event, 1, LONG_NS) == errors[i];
        rs_sys.io_uring_enter = rs_sys_real.io_uring_enter;
        told = told && ops->wait(backend, &event, 1, LONG_NS) == errors[i];
        ops->close(backend);
    }
    claim(told, "a call that is refused later ends each wait with what it gave");

    rs_sys.io_uring_setup = play_setup;
    restricts = true;
    allowed[0] = IORING_OP_POLL_ADD;
    allowed_count = 1;
    begin();
    (void)watch(fd, 1);
    post(fd);
    claim(ready_for(1, LONG_NS) == ROUSE_READABLE, "a ring that may only poll does so");
    (void)unwatch(fd);
    claim(ops->wait(backend, &event, 1, ROUSE_NEVER) == -EACCES,
          "an operation that is refused ends the wait as well");
    rs_sys.io_uring_setup = rs_sys_real.io_uring_setup;
    ops->close(backend);
    (void)close(fd);
}

int main(void)
{
    if (ops->open(&backend, rouse_allocator_default()) < 0) {
        printf("1..0 # SKIP no io_uring here\n");
        return 77;
    }
    ops->close(backend);
    (void)alarm(50);
    a_close_is_seen_at_once();
    more_than_fits();
    cancelled_while_reporting();
    a_cancel_finds_the_queue_full();
    the_arming_thread_exits();
    refused_at_the_start();
    refused_later();
    return claims_end();
}
