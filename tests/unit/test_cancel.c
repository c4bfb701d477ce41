// SPDX-License-Identifier: MIT
//
// Deadlines, shields, and what a fiber is told of its cancellation.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "panics.h"

#define MS ROUSE_NS_PER_MS

static uint64_t in_ms(uint64_t ms)
{
    return rouse_deadline_after(ms * MS);
}

// ---- Deadlines ----

static void a_wait_within_its_deadline(void)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, in_ms(10000));
    int err = rouse_sleep(MS);
    claim(err == 0 && !rouse_is_cancelled(), "a wait that ends before the deadline succeeds");
    claim(rouse_deadline_leave(&deadline) == 0, "and so does leaving it");
}

static void a_wait_beyond_its_deadline(void)
{
    struct rouse_deadline deadline;
    uint64_t until = in_ms(5);

    rouse_deadline_enter(&deadline, until);
    claim(rouse_sleep(10000 * MS) == -ETIMEDOUT, "a wait beyond the deadline fails with ETIMEDOUT");
    claim(rouse_now_ns() >= until, "not before it");
    claim(rouse_is_cancelled() && rouse_cancel_info().reason == ROUSE_CANCEL_DEADLINE,
          "which is the reason that the fiber is told");
    claim(rouse_yield() == -ETIMEDOUT && rouse_sleep(0) == -ETIMEDOUT,
          "every further wait fails at once");
    claim(rouse_deadline_leave(&deadline) == -ETIMEDOUT, "leaving says so, too");
    claim(rouse_sleep(0) == 0 && !rouse_is_cancelled(), "afterwards waits succeed again");
}

static void an_outer_deadline(void)
{
    struct rouse_deadline outer;
    struct rouse_deadline inner;

    rouse_deadline_enter(&outer, in_ms(5));
    rouse_deadline_enter(&inner, in_ms(10000));
    claim(rouse_sleep(20000 * MS) == -ECANCELED, "an outer expiry is no ETIMEDOUT inside");
    claim(rouse_deadline_leave(&inner) == 0, "nor is it when the inner one is left");
    claim(rouse_sleep(0) == -ETIMEDOUT && rouse_deadline_leave(&outer) == -ETIMEDOUT,
          "but the outer one takes it");
}

static void an_inner_deadline(void)
{
    struct rouse_deadline outer;
    struct rouse_deadline inner;

    rouse_deadline_enter(&outer, in_ms(10000));
    rouse_deadline_enter(&inner, in_ms(5));
    claim(rouse_sleep(20000 * MS) == -ETIMEDOUT && rouse_deadline_leave(&inner) == -ETIMEDOUT,
          "an inner expiry ends the inner stretch");
    claim(rouse_sleep(MS) == 0 && rouse_deadline_leave(&outer) == 0, "and the outer one goes on");
}

static void moved_deadlines(void)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, in_ms(5));
    (void)rouse_sleep(MS);
    rouse_deadline_move(&deadline, in_ms(10000));
    claim(rouse_sleep(20 * MS) == 0, "a deadline that was moved later holds from then on");
    rouse_deadline_move(&deadline, in_ms(5));
    claim(rouse_sleep(10000 * MS) == -ETIMEDOUT, "and one that was moved earlier, too");
    (void)rouse_deadline_leave(&deadline);
}

// The timer fires at the first deadline and is filed anew for the second; the third lies between.
static void a_deadline_moved_later_and_back(void)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, in_ms(2));
    (void)rouse_sleep(MS);
    rouse_deadline_move(&deadline, in_ms(1000000));
    claim(rouse_sleep(20 * MS) == 0, "a deadline far off lets a wait end");
    rouse_deadline_move(&deadline, in_ms(20));
    claim(rouse_sleep(2000 * MS) == -ETIMEDOUT, "and holds when it is moved back half the way");
    (void)rouse_deadline_leave(&deadline);
}

static void what_is_ready_wins(void)
{
    struct rouse_deadline deadline;
    struct rouse_ready ready;

    rouse_deadline_enter(&deadline, 0);
    rouse_ready_init(&ready);
    claim(rouse_await(&ready.base) == 0, "what is ready at once wins over a deadline in the past");
    claim(rouse_sleep(10000 * MS) == -ETIMEDOUT, "what has to sleep does not");
    rouse_ready_init(&ready);
    claim(rouse_await(&ready.base) == -ETIMEDOUT, "and after that nothing does");
    (void)rouse_deadline_leave(&deadline);
}

static int deadlines(void *arg)
{
    (void)arg;
    a_wait_within_its_deadline();
    a_wait_beyond_its_deadline();
    an_outer_deadline();
    an_inner_deadline();
    moved_deadlines();
    a_deadline_moved_later_and_back();
    what_is_ready_wins();
    return 0;
}

// ---- Shields ----

static int clean_up(void *arg)
{
    struct rouse_shield shield;
    int *steps = arg;

    if (rouse_sleep(ROUSE_NEVER) != -ECANCELED) return -1;
    *steps |= rouse_cancel_info().reason == ROUSE_CANCEL_ABORT ? 1 : 0;
    rouse_shield_enter(&shield, in_ms(10000));
    if (rouse_sleep(2 * MS) == 0 && !rouse_is_cancelled()) *steps |= 2;
    if (rouse_shield_leave(&shield) == 0) *steps |= 4;
    if (rouse_sleep(0) == -ECANCELED) *steps |= 8;
    rouse_shield_enter(&shield, in_ms(2));
    if (rouse_sleep(10000 * MS) == -ETIMEDOUT) *steps |= 16;
    if (rouse_shield_leave(&shield) == -ETIMEDOUT) *steps |= 32;
    return 7;
}

static int shields(void *arg)
{
    struct rouse_join_handle handle;
    int steps = 0;

    (void)arg;
    if (rouse_spawn(&handle, clean_up, &steps) < 0) exit(1);
    (void)rouse_sleep(MS);
    int64_t result = rouse_abort_and_wait(&handle);
    claim(result == 7, "an aborted fiber ends with its own result");
    claim((steps & 1) != 0, "it is told that it was aborted");
    claim((steps & 6) == 6, "in a shield it waits all the same");
    claim((steps & 8) != 0, "after the shield it does not");
    claim((steps & 48) == 48, "a shield ends at its own deadline");
    return 0;
}

static int hide(void *arg)
{
    struct rouse_shield shield;

    (void)arg;
    rouse_shield_enter(&shield, in_ms(1000000));
    int err = rouse_sleep(ROUSE_NEVER);
    (void)rouse_shield_leave(&shield);
    return err;
}

static void a_shutdown_breaks_shields(void)
{
    struct rouse_runtime *runtime;
    struct rouse_join_handle handle;

    if (rouse_runtime_new(&runtime, NULL) < 0 ||
        rouse_runtime_spawn(runtime, &handle, hide, NULL, NULL) < 0) {
        exit(1);
    }
    claim(rouse_runtime_shutdown(runtime, 20 * MS) == 0,
          "a shutdown that is out of time breaks shields");
    claim(rouse_block_on(NULL, &handle.base) == 0 && handle.output == -ECANCELED,
          "the wait in the shield failed");
    rouse_future_drop(&handle.base);
}

// ---- Those who go on ----

static int refusals_logged;

static void count_refusals(void *data, const struct rouse_log_record *record)
{
    (void)data;
    if (strstr(record->message, "was cancelled and has gone on") != NULL) refusals_logged++;
}

// Waits on, for as long as it is cancelled for nothing.
static int stubborn(void *arg)
{
    atomic_bool *stop = arg;

    // Relaxed: sooner or later.
    for (int i = 0; i < 10000000; i++) {
        if (rouse_sleep(MS) == 0) continue;
        if (i > 5000 && atomic_load_explicit(stop, memory_order_relaxed)) return 0;
    }
    return -ELOOP;
}

static bool is_dumped(const char *text)
{
    static char buf[1 << 16];
    char path[] = "/tmp/rouse-test-cancel-XXXXXX";
    int fd = mkstemp(path);

    (void)unlink(path);
    if (fd < 0 || rouse_dump(fd) < 0) exit(1);
    ssize_t size = pread(fd, buf, sizeof buf - 1, 0);

    (void)close(fd);
    buf[size > 0 ? size : 0] = '\0';
    return strstr(buf, text) != NULL;
}

static int those_who_go_on(void *arg)
{
    struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = "mule", .site = ROUSE_SITE};
    struct rouse_join_handle handle;
    atomic_bool stop = false;

    (void)arg;
    rouse_log_set_hook(count_refusals, NULL, ROUSE_LOG_WARN);
    if (rouse_spawn_at(&handle, stubborn, &stop, &attrs) < 0) exit(1);
    (void)rouse_sleep(MS);
    rouse_abort(&handle);
    while (refusals_logged == 0) (void)rouse_yield();
    claim(is_dumped("mule  (") && is_dumped("it was cancelled and has gone on to"),
          "a fiber that goes on waiting after its cancel is named in the dump");
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    claim(rouse_join(&handle) == 0, "and does not keep its worker from others");
    claim(refusals_logged == 1, "the log names it once");
    refusals_logged = 0;
    for (int i = 0; i < 3000; i++) {
        struct rouse_deadline deadline;

        rouse_deadline_enter(&deadline, 0);
        (void)rouse_sleep(10000 * MS);
        (void)rouse_sleep(10000 * MS);
        (void)rouse_deadline_leave(&deadline);
        (void)rouse_yield();
    }
    claim(refusals_logged == 0, "one that leaves what was cancelled, and waits again, is not");
    rouse_log_set_hook(NULL, NULL, ROUSE_LOG_WARN);
    return 0;
}

// ---- Misuse ----

static int return_inside(void *arg)
{
    struct rouse_deadline deadline;

    (void)arg;
    rouse_deadline_enter(&deadline, in_ms(10000));
    return rouse_sleep(MS);
}

static int leave_the_outer_one(void *arg)
{
    struct rouse_deadline outer;
    struct rouse_deadline inner;

    (void)arg;
    rouse_deadline_enter(&outer, in_ms(10000));
    rouse_deadline_enter(&inner, in_ms(10000));
    return rouse_deadline_leave(&outer);
}

static int shield_for_ever(void *arg)
{
    struct rouse_shield shield;

    (void)arg;
    rouse_shield_enter(&shield, ROUSE_NEVER);
    return rouse_shield_leave(&shield);
}

static void run_in_child(void *arg)
{
    (void)rouse_run(*(rouse_fiber_function *)arg, NULL);
}

static void enter_on_a_thread(void *arg)
{
    struct rouse_deadline deadline;

    (void)arg;
    rouse_deadline_enter(&deadline, in_ms(10000));
}

static void misuse(void)
{
    rouse_fiber_function inside = return_inside;
    rouse_fiber_function outer = leave_the_outer_one;
    rouse_fiber_function shield = shield_for_ever;

    claim(panics(enter_on_a_thread, NULL, "only a fiber has regions"),
          "a thread that is no fiber cannot enter one");
    if (child_is_emulated()) {
        claim(true, "other misuse is stopped # SKIP an emulated child cannot run it");
        return;
    }
    claim(panics(run_in_child, &inside, "returned inside a deadline"),
          "a fiber that returns inside a deadline is stopped");
    claim(panics(run_in_child, &outer, "not the innermost region"),
          "so is one that leaves the outer one first");
    claim(panics(run_in_child, &shield, "a shield needs a deadline"),
          "and one that shields itself for ever");
}

int main(void)
{
    struct rouse_stats before;
    struct rouse_stats after;
    struct rouse_runtime_options one = {.size = sizeof one, .workers = 1};

    misuse();  // first: ThreadSanitizer wants children of processes without threads
    rouse_stats_get(&before);
    if (rouse_run_with(deadlines, NULL, &one) != 0 || rouse_run_with(shields, NULL, NULL) != 0 ||
        rouse_run_with(those_who_go_on, NULL, &one) != 0) {
        return 1;
    }
    a_shutdown_breaks_shields();
    rouse_stats_get(&after);
    claim(after.timers == before.timers, "no timer is left");
    return claims_end();
}
