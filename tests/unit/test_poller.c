// SPDX-License-Identifier: MIT
//
// The public poller over each back end: keys, interests, removal, deadlines, notification, signals,
// and changes from another thread during a wait.

#include <rouse/poller.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rouse/clock.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sys.h"
#include "claim.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)
#define SHORT_NS (20 * ROUSE_NS_PER_MS)

enum { MANY = 400 };

static struct rouse_poller *poller;
static const char *reactor;

static void check(bool holds, const char *text)
{
    char line[160];

    (void)snprintf(line, sizeof line, "%s: %s", reactor, text);
    claim(holds, line);
}

static void put_byte(int fd)
{
    ssize_t ignored = write(fd, "x", 1);

    (void)ignored;
}

// The one event of a wait; all zero if there is not exactly one.
static struct rouse_poller_event next_event(uint64_t deadline_ns)
{
    struct rouse_poller_event events[4];
    int count = rouse_poller_wait(poller, events, 4, deadline_ns);

    return count == 1 ? events[0] : (struct rouse_poller_event){0};
}

static bool is_event(struct rouse_poller_event event, uint64_t key, uint32_t ready)
{
    return event.key == key && event.ready == ready;
}

static void pair_open(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) perror("pair");
}

static void pair_close(const int fds[2])
{
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void keys_and_interests(void)
{
    int fds[2];

    pair_open(fds);
    put_byte(fds[1]);
    check(rouse_poller_add(poller, fds[0], UINT64_MAX, ROUSE_WRITABLE) == 0 &&
              is_event(next_event(ROUSE_NEVER), UINT64_MAX, ROUSE_WRITABLE),
          "an event carries any key");
    check(rouse_poller_add(poller, fds[0], 1, 0) == -EEXIST, "a descriptor is added once");
    check(rouse_poller_modify(poller, fds[0], 0, ROUSE_READABLE) == 0 &&
              is_event(next_event(LONG_NS), 0, ROUSE_READABLE) &&
              is_event(next_event(0), 0, ROUSE_READABLE),
          "modify changes key and interest, and events come while ready");
    (void)shutdown(fds[1], SHUT_WR);
    check(is_event(next_event(0), 0, ROUSE_READABLE | ROUSE_HANGUP), "a hangup is reported");
    (void)close(fds[1]);
    check(rouse_poller_modify(poller, fds[0], 5, 0) == 0 && next_event(0).ready == 0,
          "without interest not even a hangup is");
    check(rouse_poller_modify(poller, fds[0], 5, ROUSE_READABLE) == 0 &&
              is_event(next_event(0), 5, ROUSE_READABLE | ROUSE_HANGUP),
          "until somebody asks again");
    check(rouse_poller_remove(poller, fds[0]) == 0 && next_event(0).ready == 0,
          "a removed descriptor is silent");
    check(rouse_poller_remove(poller, fds[0]) == -ENOENT &&
              rouse_poller_modify(poller, fds[0], 0, 0) == -ENOENT &&
              rouse_poller_remove(poller, -1) == -ENOENT &&
              rouse_poller_remove(poller, 1 << 20) == -ENOENT,
          "and unknown");
    (void)close(fds[0]);
}

static void refusals(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct rouse_poller_event event;
    int closed = dup(file);

    (void)close(closed);
    check(rouse_poller_add(poller, closed, 1, 0) == -EBADF &&
              rouse_poller_add(poller, -1, 1, 0) == -EBADF,
          "a descriptor that is not open is refused, also without interest");
    check(rouse_poller_add(poller, file, 1, ROUSE_READABLE) == -EPERM, "so is a regular file");
    check(rouse_poller_wait(poller, &event, 0, 0) == -EINVAL, "a wait needs room for an event");
    (void)close(file);
}

static void removed_while_closed(void)
{
    int fds[2];
    int old;

    pair_open(fds);
    old = fds[0];
    check(rouse_poller_add(poller, old, 1, ROUSE_READABLE) == 0, "a socket is added");
    pair_close(fds);
    check(rouse_poller_remove(poller, old) == 0, "a descriptor closed too early can be removed");
    pair_open(fds);
    put_byte(fds[1]);
    check(fds[0] == old && rouse_poller_add(poller, old, 2, ROUSE_READABLE) == 0 &&
              is_event(next_event(LONG_NS), 2, ROUSE_READABLE),
          "and its number added again");
    (void)rouse_poller_remove(poller, old);
    pair_close(fds);
}

static void deadlines(void)
{
    uint64_t deadline = rouse_deadline_after(SHORT_NS);

    check(next_event(deadline).ready == 0 && rouse_now_ns() >= deadline,
          "a wait ends at its deadline, not before");
    check(next_event(1).ready == 0, "a past deadline does not sleep");
    rouse_poller_notify(poller);
    (void)next_event(ROUSE_NEVER);
    check(true, "a notification ends an endless wait");
    deadline = rouse_deadline_after(SHORT_NS);
    (void)next_event(deadline);
    check(rouse_now_ns() >= deadline, "and only one");
    rouse_poller_notify(poller);
    (void)next_event(0);
    deadline = rouse_deadline_after(SHORT_NS);
    (void)next_event(deadline);
    check(rouse_now_ns() >= deadline, "a wait that does not sleep takes it too");
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

struct helper {
    pthread_t waiting;
    int fd;
    atomic_bool stop;
};

static void *send_signals(void *arg)
{
    struct helper *helper = arg;

    // Relaxed: it ends the loop, no more.
    while (!atomic_load_explicit(&helper->stop, memory_order_relaxed)) {
        (void)usleep(2000);
        (void)pthread_kill(helper->waiting, SIGUSR1);
    }
    return NULL;
}

static void signals_do_not_end_it(void)
{
    struct helper helper = {.waiting = pthread_self()};
    struct sigaction action = {.sa_handler = count_signal};
    pthread_t thread;
    bool early = false;

    signals = 0;
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)pthread_create(&thread, NULL, send_signals, &helper);
    for (int i = 0; i < 100 && signals < 5; i++) {
        uint64_t deadline = rouse_deadline_after(SHORT_NS);

        early = early || next_event(deadline).ready != 0 || rouse_now_ns() < deadline;
    }
    atomic_store_explicit(&helper.stop, true, memory_order_relaxed);
    (void)pthread_join(thread, NULL);
    check(!early && signals >= 5, "signals do not end a wait");
}

static void *add_later(void *arg)
{
    struct helper *helper = arg;

    (void)usleep(5000);
    return rouse_poller_add(poller, helper->fd, 3, ROUSE_READABLE) == 0 ? helper : NULL;
}

static void added_during_the_wait(void)
{
    struct helper helper;
    pthread_t thread;
    void *added;
    int fds[2];

    pair_open(fds);
    put_byte(fds[1]);
    helper.fd = fds[0];
    (void)pthread_create(&thread, NULL, add_later, &helper);
    check(is_event(next_event(ROUSE_NEVER), 3, ROUSE_READABLE),
          "a wait in progress sees what is added meanwhile");
    (void)pthread_join(thread, &added);
    check(added == &helper && rouse_poller_remove(poller, fds[0]) == 0, "from another thread");
    pair_close(fds);
}

static void many(void)
{
    static int fds[MANY][2];
    static bool seen[MANY];
    struct rouse_poller_event events[100];
    int total = 0;

    for (int i = 0; i < MANY; i++) {
        pair_open(fds[i]);
        put_byte(fds[i][1]);
        seen[i] = rouse_poller_add(poller, fds[i][0], (uint64_t)i, ROUSE_READABLE) < 0;
    }
    for (int turn = 0; turn < MANY; turn++) {
        int count = rouse_poller_wait(poller, events, 100, 0);

        for (int i = 0; i < count; i++) {
            total += !seen[events[i].key];
            seen[events[i].key] = true;
        }
    }
    check(total == MANY, "of many ready descriptors each is reported in its turn");
    for (int i = 0; i < MANY; i++) {
        seen[i] = rouse_poller_remove(poller, fds[i][0]) == 0;
        total -= seen[i];
        pair_close(fds[i]);
    }
    check(total == 0 && next_event(0).ready == 0, "and all can be removed");
}

static int mallocs_left;

static void *few_mallocs(size_t size)
{
    return mallocs_left-- > 0 ? rs_sys_real.malloc(size) : NULL;
}

static void making_fails_cleanly(void)
{
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);
    struct rouse_poller *out = NULL;
    bool clean = true;
    int err = -ENOMEM;

    rs_sys.malloc = few_mallocs;
    for (int n = 0; err == -ENOMEM; n++) {
        mallocs_left = n;
        err = rouse_poller_new(&out, reactor);
        if (err < 0) clean = clean && rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations;
    }
    rs_sys.malloc = rs_sys_real.malloc;
    check(err == 0 && clean, "without memory none is made, and nothing is left behind");
    rouse_poller_free(out);
}

static void test_poller(const char *name)
{
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    int64_t bytes = rs_counter_sum(RS_COUNTER_ALLOCATED_BYTES);

    reactor = name;
    making_fails_cleanly();
    check(rouse_poller_new(&poller, name) == 0, "one is made");
    keys_and_interests();
    refusals();
    removed_while_closed();
    deadlines();
    signals_do_not_end_it();
    added_during_the_wait();
    many();
    rouse_poller_free(poller);
    check(rs_counter_sum(RS_COUNTER_FDS) == fds &&
              rs_counter_sum(RS_COUNTER_ALLOCATED_BYTES) == bytes,
          "a freed poller has given everything back");
}

int main(void)
{
    test_poller("epoll");
    test_poller("poll");
    test_poller("io_uring");
    claim(rouse_poller_new(&poller, "none") == -EINVAL, "an unknown reactor is refused");
    rouse_poller_free(NULL);
    return claims_end();
}
