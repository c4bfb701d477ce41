// SPDX-License-Identifier: MIT
//
// Names to addresses, with a resolver that does what the test wants: answers, fails in each of its
// ways, and stalls. Stalled look-ups are left behind and counted, keep no blocking call from
// running, and are bounded.

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "hand_waker.h"
#include "live.h"

enum { ROOM = 4, LOOKUP_THREADS = 2, LOOKUP_QUEUE = 3 };

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("Bail out! %s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

static struct rouse_addr found[ROOM];

// ---- The resolver ----

static _Atomic int asked;       // calls begun
static _Atomic int answered;    // calls ended
static _Atomic bool is_closed;  // calls stall
static int answer;              // an EAI_ code
static int answer_error;        // errno, for EAI_SYSTEM

static int count_get(_Atomic int *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

static void gate_set(bool closed)
{
    atomic_store_explicit(&is_closed, closed, memory_order_release);
}

static int scripted(const char *host, const char *service, const struct addrinfo *hints,
                    struct addrinfo **out, int *error)
{
    int result = answer;

    atomic_fetch_add_explicit(&asked, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&is_closed, memory_order_acquire)) hand_pause();
    *error = answer_error;
    // The host's file is the same everywhere.
    if (result == 0) {
        result = rs_sys_real.look_up(strcmp(host, "numbers") == 0 ? "127.0.0.9" : "localhost",
                                     service, hints, out, error);
    }
    atomic_fetch_add_explicit(&answered, 1, memory_order_acq_rel);
    return result;
}

static bool count_becomes(_Atomic int *count, int wanted)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);

    while (count_get(count) < wanted && rouse_now_ns() < deadline) hand_pause();
    return count_get(count) == wanted;
}

static int64_t abandoned(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.lookups_abandoned;
}

static bool abandoned_becomes(int64_t wanted)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);

    while (abandoned() != wanted && rouse_now_ns() < deadline) hand_pause();
    return abandoned() == wanted;
}

// ---- Numbers ----

static bool is_number(const char *host, const char *service, const char *text)
{
    char buf[ROUSE_ADDR_TEXT_MAX] = "";
    int before = count_get(&asked);

    if (rouse_resolve(found, ROOM, host, service, NULL) != 1) return false;
    (void)rouse_addr_format(&found[0], buf, sizeof buf);
    return strcmp(buf, text) == 0 && count_get(&asked) == before;
}

static void numbers(void)
{
    struct rouse_resolve resolve;
    struct hand_waker hand = {0};
    const struct rouse_resolve_options ipv4 = {.size = sizeof ipv4, .family = AF_INET};
    const struct rouse_resolve_options ipv6 = {.size = sizeof ipv6, .family = AF_INET6};

    claim(is_number("127.0.0.1", "80", "127.0.0.1:80") && is_number("::1", "0", "[::1]:0") &&
              is_number("10.1.2.3", NULL, "10.1.2.3:0") &&
              is_number("::ffff:1.2.3.4", "65535", "[::ffff:1.2.3.4]:65535"),
          "numbers need no resolver");
    claim(is_number("fe80::1%7", "80", "[fe80::1%7]:80") &&
              is_number("fe80::1%lo", "80", "[fe80::1%1]:80"),
          "nor does a scope");
    rouse_resolve_init(&resolve, found, ROOM, "1.2.3.4", "80", NULL);
    claim(hand_waker_poll(&hand, &resolve.base) == ROUSE_READY && resolve.output == 1 &&
              resolve.found == 1 && rouse_future_result(&resolve.base) == 1,
          "they are there at the first poll");
    claim(rouse_resolve(found, ROOM, "1.2.3.4", "80", &ipv6) == -ENOENT &&
              rouse_resolve(found, ROOM, "::1", "80", &ipv4) == -ENOENT &&
              rouse_resolve(found, ROOM, "::1", "80", &ipv6) == 1,
          "numbers of another family are no addresses");
    claim(rouse_resolve(found, 0, "1.2.3.4", "80", NULL) == 0, "there may be no room");
    claim(!is_number("127.1", "80", "") && count_get(&asked) == 1 &&
              !is_number("127.0.0.1", "http-alt", "") && count_get(&asked) == 2,
          "what is no plain number is looked up");
}

// ---- Names ----

static int fails(int error, int system_error)
{
    answer = error;
    answer_error = system_error;
    int result = rouse_resolve(found, ROOM, "name", "80", NULL);

    answer = 0;
    return result;
}

static void names(void)
{
    struct rouse_resolve resolve;
    const struct rouse_resolve_options ipv4 = {.size = sizeof ipv4, .family = AF_INET};
    char text[64];

    claim(rouse_resolve(found, ROOM, "numbers", "80", NULL) == 1 &&
              rouse_addr_port(&found[0]) == 80 && found[0].storage.ss_family == AF_INET,
          "a name has addresses");
    claim(rouse_resolve(found, ROOM, "localhost", "7", &ipv4) >= 1 &&
              found[0].storage.ss_family == AF_INET,
          "only those of a family, if asked for");
    rouse_resolve_init(&resolve, NULL, 0, "numbers", "80", NULL);
    (void)rouse_future_describe(&resolve.base, text, sizeof text);
    claim(strcmp(text, "the addresses of numbers") == 0, "a look-up says what it waits for");
    must(rouse_await(&resolve.base), "await");
    claim(resolve.output == 0 && resolve.found == 1, "what finds no room is counted");
    claim(fails(EAI_NONAME, 0) == -ENOENT && fails(EAI_NODATA, 0) == -ENOENT &&
              fails(EAI_SERVICE, 0) == -ENOENT && fails(EAI_ADDRFAMILY, 0) == -ENOENT,
          "no such name is -ENOENT");
    claim(fails(EAI_AGAIN, 0) == -EAGAIN && fails(EAI_MEMORY, 0) == -ENOMEM &&
              fails(EAI_FAIL, 0) == -EIO && fails(EAI_FAMILY, 0) == -EIO,
          "other failures have errors of their own");
    claim(fails(EAI_SYSTEM, EMFILE) == -EMFILE && fails(EAI_SYSTEM, 0) == -EIO,
          "the system's error is passed on");
}

// Several of these run at once, so each has its own room.
static int resolve_by_arg(void *arg)
{
    struct rouse_addr mine[ROOM];

    return rouse_resolve(mine, ROOM, arg, "80", NULL);
}

static void without_memory(void)
{
    char name[] = "name";
    char number[] = "1.2.3.4";
    struct rouse_resolve resolve;
    struct hand_waker hand = {0};

    rouse_resolve_init(&resolve, found, ROOM, name, "80", NULL);
    rs_sys.malloc = live_no_memory;
    rouse_poll poll = hand_waker_poll(&hand, &resolve.base);

    rs_sys.malloc = rs_sys_real.malloc;
    claim(poll == ROUSE_READY && resolve.output == -ENOMEM, "a name needs memory");
    claim(resolve_by_arg(number) == 1, "and gets it again");
}

static int no_thread(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                     void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    return -EAGAIN;
}

// Before the first name there is no thread yet.
static int without_a_thread(void *arg)
{
    char name[] = "numbers";

    (void)arg;
    rs_sys.thread_create = no_thread;
    claim(resolve_by_arg(name) == -EAGAIN, "a name needs a thread");
    rs_sys.thread_create = rs_sys_real.thread_create;
    claim(resolve_by_arg(name) == 1, "and gets that again, too");
    return 0;
}

// ---- Stalled ----

static int give_up_soon(void *arg)
{
    struct rouse_resolve resolve;

    (void)arg;
    rouse_resolve_init(&resolve, found, ROOM, "numbers", "80", NULL);
    return rouse_await_until(&resolve.base, rouse_deadline_after(2 * ROUSE_NS_PER_MS));
}

static int64_t nothing_much(void *arg)
{
    (void)arg;
    return 11;
}

static int64_t blocking_jobs(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.blocking_jobs;
}

// Begins a look-up that stalls, and gives it up. In a fiber.
static int abandon_one(void)
{
    char name[] = "numbers";
    struct rouse_join_handle handle;
    int before = count_get(&asked);

    must(rouse_spawn(&handle, resolve_by_arg, name), "spawn");
    while (count_get(&asked) == before) must(rouse_sleep(ROUSE_NS_PER_MS), "sleep");
    return (int)rouse_abort_and_wait(&handle);
}

// In a fiber of a runtime that looks up two names at once and lets three wait.
static int stall(void *arg)
{
    struct rouse_join_handle waiting[LOOKUP_QUEUE];
    int before = count_get(&asked);
    int64_t result = 0;
    bool all = true;

    (void)arg;
    gate_set(true);
    for (int i = 0; i < LOOKUP_THREADS; i++) all = all && abandon_one() == -ECANCELED;
    claim(all && count_get(&asked) == before + LOOKUP_THREADS && abandoned() == LOOKUP_THREADS,
          "a stalled look-up can be given up at once, and is counted");
    claim(rouse_blocking(nothing_much, NULL, &result) == 0 && result == 11,
          "it keeps no blocking call from running");
    claim(give_up_soon(NULL) == -ETIMEDOUT && count_get(&asked) == before + LOOKUP_THREADS &&
              abandoned() == LOOKUP_THREADS,
          "one that has not begun is taken back, and is not counted");
    for (int i = 0; i < LOOKUP_QUEUE; i++) {
        char *name = i == 0 ? "localhost" : "numbers";

        must(rouse_spawn(&waiting[i], resolve_by_arg, name), "spawn");
    }
    while (blocking_jobs() < LOOKUP_THREADS + LOOKUP_QUEUE) rouse_sleep(ROUSE_NS_PER_MS);
    all = rouse_resolve(found, ROOM, "numbers", "80", NULL) == -EAGAIN;
    claim(all, "more names than the queue has room for are -EAGAIN");
    gate_set(false);
    for (int i = 0; i < LOOKUP_QUEUE; i++) all = all && rouse_join(&waiting[i]) >= 1;
    claim(all && abandoned_becomes(0) &&
              count_becomes(&answered, before + LOOKUP_THREADS + LOOKUP_QUEUE),
          "those that wait are looked up when there is a thread again");
    return 0;
}

static void stalled(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options,
                                                  .workers = 2,
                                                  .lookup_threads = LOOKUP_THREADS,
                                                  .lookup_queue = LOOKUP_QUEUE};

    must(rouse_run_with(stall, NULL, &options), "run");
    claim(live_allocations() == 0, "and nothing is left");
}

// The runtime goes while look-ups are under way: queued ones fail, running ones are waited for.
static int look_up_and_end(void *arg)
{
    (void)arg;
    gate_set(true);
    return abandon_one();
}

static void shut_down(void)
{
    struct rouse_runtime *runtime;
    struct rouse_join_handle root;

    must(rouse_runtime_new(&runtime, NULL), "runtime");
    must(rouse_runtime_spawn(runtime, &root, look_up_and_end, NULL, NULL), "spawn");
    must(rouse_block_on(runtime, &root.base), "block_on");
    claim(root.output == -ECANCELED, "a look-up is given up");
    claim(rouse_runtime_shutdown(runtime, 5 * ROUSE_NS_PER_MS) == -ETIMEDOUT && abandoned() == 1,
          "a shutdown waits for it, within its limit");
    gate_set(false);
    claim(rouse_runtime_shutdown(runtime, ROUSE_NEVER) == 0 && abandoned() == 0 &&
              live_allocations() == 0,
          "and then ends");
}

static int run_all(void *arg)
{
    (void)arg;
    numbers();
    names();
    without_memory();
    return 0;
}

int main(void)
{
    (void)alarm(100);
    rs_sys.look_up = scripted;
    must(rouse_run(run_all, NULL), "run");
    must(rouse_run(without_a_thread, NULL), "run");
    claim(live_allocations() == 0, "nothing is left");
    stalled();
    shut_down();
    return claims_end();
}
