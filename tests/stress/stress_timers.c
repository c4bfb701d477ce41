// SPDX-License-Identifier: MIT
//
// Sleeps that wander. Each lies in a slot that several threads share, one at a time, and is polled
// under the driver of a worker, or of a loop of its own thread, which is freed and made anew all
// the time; its deadline is moved, it is dropped, or a thread waits for it for a while and gives
// up. A sleep never ends early, never fails where there is a driver that lives, and is always
// woken.

#include <errno.h>
#include <sched.h>

#include "sched/runtime.h"
#include "stress.h"
#include "unit/hand_waker.h"

enum { THREADS = 3, LOOPS = 2, SLOTS = 48 };

// How late a wake may be before it counts as lost.
#define PATIENCE_NS (10 * ROUSE_NS_PER_S)

struct slot {
    pthread_mutex_t lock;
    struct rouse_sleep sleep;
    struct hand_waker hand;
    int wakes;           // as of the last poll
    bool filed;          // pending, with the hand as its waker
    bool foreign_waker;  // pending, but a thread that gave up took its waker along
};

static struct slot slots[SLOTS];
static _Atomic(struct rouse_driver *) loops[LOOPS];
static struct rouse_runtime *runtime;
static uint64_t round_end;
static _Atomic int64_t fired;
static _Atomic int64_t early;
static _Atomic int64_t lost;
static _Atomic int64_t failed;

// A loop: turns a driver of its own, and now and then makes another.
static void *loop_main(void *arg)
{
    uintptr_t index = (uintptr_t)arg;
    uint64_t random = stress_stream(100 + index);

    while (rouse_now_ns() < round_end) {
        struct rouse_driver *driver;

        stress_must(rouse_driver_new(&driver, NULL), "driver");
        // Release, with the acquire in some_driver().
        atomic_store_explicit(&loops[index], driver, memory_order_release);
        for (uint64_t turns = 1 + stress_below(&random, 50); turns > 0; turns--) {
            (void)rouse_driver_turn(driver, rouse_deadline_after(stress_below(&random, 500000)));
        }
        // Others may use it for a while after it is gone: a record that says so.
        if (stress_below(&random, 2) == 0) {
            atomic_store_explicit(&loops[index], NULL, memory_order_release);
        }
        rouse_driver_free(driver);
    }
    atomic_store_explicit(&loops[index], NULL, memory_order_release);
    return NULL;
}

static struct rouse_driver *some_driver(uint64_t *random)
{
    if (stress_below(random, 3) == 0) return rs_runtime_any_driver(runtime);
    return atomic_load_explicit(&loops[stress_below(random, LOOPS)], memory_order_acquire);
}

static void slot_ended(struct slot *slot)
{
    slot->filed = false;
    slot->foreign_waker = false;
    if (slot->sleep.output == 0) {
        (void)stress_add(&fired, 1);
        if (rouse_now_ns() < slot->sleep.deadline_ns) (void)stress_add(&early, 1);
    }
}

static void slot_poll(struct slot *slot, struct rouse_driver *driver)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &slot->hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    slot->wakes = hand_waker_wakes(&slot->hand);
    if (rouse_future_poll(&slot->sleep.base, &cx) == ROUSE_READY) {
        slot_ended(slot);
    } else {
        slot->filed = true;
        slot->foreign_waker = false;
    }
}

// A thread waits for the sleep for a moment and leaves it pending.
static void slot_wait(struct slot *slot, uint64_t *random)
{
    struct rouse_borrow borrow;
    struct rouse_timeout timeout;

    rouse_borrow_init(&borrow, &slot->sleep.base);
    rouse_timeout_init(&timeout, &borrow.base,
                       rouse_deadline_after(stress_below(random, 200 * ROUSE_NS_PER_US)));
    stress_must(rouse_block_on(runtime, &timeout.base), "block_on");
    if (rouse_future_is_ended(&slot->sleep.base)) {
        if (slot->sleep.output < 0) (void)stress_add(&failed, 1);
        slot_ended(slot);
    } else {
        slot->filed = true;
        slot->foreign_waker = true;
    }
}

static bool is_lost(struct slot *slot)
{
    return slot->filed && !slot->foreign_waker &&
           rouse_now_ns() > slot->sleep.deadline_ns + PATIENCE_NS &&
           hand_waker_wakes(&slot->hand) == slot->wakes;
}

static void slot_step(struct slot *slot, uint64_t *random)
{
    if (is_lost(slot)) (void)stress_add(&lost, 1);
    if (rouse_future_is_ended(&slot->sleep.base)) {
        rouse_sleep_init(&slot->sleep, stress_below(random, 3 * ROUSE_NS_PER_MS));
    }
    switch (stress_below(random, 8)) {
    case 0:
        rouse_future_drop(&slot->sleep.base);
        slot->filed = false;
        break;
    case 1:
    case 2:
        // Later or earlier: the latter takes effect at the poll.
        rouse_sleep_reset(&slot->sleep,
                          rouse_deadline_after(stress_below(random, 3 * ROUSE_NS_PER_MS)));
        if (stress_below(random, 2) == 0) slot_poll(slot, some_driver(random));
        break;
    case 3:
        slot_wait(slot, random);
        break;
    default:
        slot_poll(slot, some_driver(random));
    }
}

static void *wanderer_main(void *arg)
{
    uint64_t random = stress_stream(200 + (uintptr_t)arg);

    while (rouse_now_ns() < round_end) {
        struct slot *slot = &slots[stress_below(&random, SLOTS)];

        (void)pthread_mutex_lock(&slot->lock);
        slot_step(slot, &random);
        (void)pthread_mutex_unlock(&slot->lock);
    }
    return NULL;
}

// A worker that has just let go of the sleep may have its waker in hand still.
static bool is_let_go(struct slot *slot)
{
    uint64_t give_up_ns = rouse_deadline_after(PATIENCE_NS);

    while (hand_waker_shares(&slot->hand) != 0) {
        if (rouse_now_ns() > give_up_ns) return false;
        (void)sched_yield();
    }
    return true;
}

// Every pending sleep is woken in the end, wherever it has got to.
static void slots_finish(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &slots[i];

        if (!rouse_future_is_ended(&slot->sleep.base)) {
            stress_must(rouse_block_on(runtime, &slot->sleep.base), "block_on");
            slot_ended(slot);
        }
        if (!is_let_go(slot)) (void)stress_add(&lost, 1);
    }
}

static void round_of(unsigned workers, double share)
{
    struct rouse_stats before;
    pthread_t threads[THREADS];
    pthread_t loop_threads[LOOPS];
    char text[96];

    rouse_stats_get(&before);
    runtime = stress_runtime(workers);
    round_end = stress_deadline(share);
    for (int i = 0; i < SLOTS; i++) {
        (void)pthread_mutex_init(&slots[i].lock, NULL);
        rouse_sleep_init(&slots[i].sleep, 0);
    }
    for (uintptr_t i = 0; i < LOOPS; i++) loop_threads[i] = stress_thread(loop_main, (void *)i);
    for (uintptr_t i = 0; i < THREADS; i++) threads[i] = stress_thread(wanderer_main, (void *)i);
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < LOOPS; i++) (void)pthread_join(loop_threads[i], NULL);
    slots_finish();
    rouse_runtime_free(runtime);
    (void)snprintf(text, sizeof text, "%u workers: none of %lld sleeps ended early", workers,
                   (long long)stress_get(&fired));
    claim(stress_get(&early) == 0, text);
    claim(stress_get(&lost) == 0, "each was woken, and no waker is left behind");
    claim(stress_get(&failed) == 0, "none failed under a driver that lives");
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    round_of(1, 0.3);
    round_of(2, 0.4);
    round_of(4, 0.3);
    return claims_end();
}
