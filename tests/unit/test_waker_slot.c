// SPDX-License-Identifier: MIT
//
// The waker slot. First by hand, on one thread: a wake that falls into a registration is made from
// inside the clone of the waker, one that falls into a take by holding the state word there. Then
// with threads: wakers that wait until the wake they gave has had its effect, so that a lost one
// stops the test.

#include <pthread.h>
#include <rouse/waker.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/sanitizer.h"
#include "claim.h"
#include "heap.h"
#include "panics.h"
#include "probe.h"

enum { SLOT_TAKING = 2 };  // a bit of the private state word

static struct rouse_waker_slot slot;
static struct bell a;
static struct bell b;

static void start(void)
{
    slot = (struct rouse_waker_slot){0};
    a = (struct bell){0};
    b = (struct bell){0};
}

static void register_bell(struct bell *bell)
{
    struct rouse_waker waker = bell_waker(bell);

    rouse_waker_slot_register(&slot, &waker);
}

static void empty_slot_is_inert(void)
{
    struct rouse_waker taken;

    start();
    rouse_waker_slot_wake(&slot);
    taken = rouse_waker_slot_take(&slot);
    claim(taken.vtable == NULL, "an empty slot has nothing to take and nobody to wake");
    rouse_waker_slot_deinit(&slot);
    claim(slot.state == 0, "and nothing to drop");
}

static void register_stores_a_share(void)
{
    struct rouse_waker taken;

    start();
    register_bell(&a);
    claim(a.shares == 1 && a.rings == 0, "register stores a share");
    register_bell(&a);
    claim(a.shares == 1, "registering the same waker again clones nothing");
    register_bell(&b);
    claim(a.shares == 0 && a.rings == 0 && b.shares == 1,
          "another waker replaces it: the last one wins, the old one is dropped unwoken");
    taken = rouse_waker_slot_take(&slot);
    claim(b.shares == 1 && b.rings == 0 && taken.data == &b, "take moves the share out");
    rouse_waker_slot_wake(&slot);
    claim(b.rings == 0, "and leaves the slot empty");
    rouse_waker_drop(&taken);
    register_bell(&a);
    rouse_waker_slot_wake(&slot);
    claim(a.rings == 1 && a.shares == 0, "wake takes the waker, wakes it and gives up the share");
    rouse_waker_slot_wake(&slot);
    claim(a.rings == 1, "a second wake finds nobody");
    register_bell(&b);
    rouse_waker_slot_deinit(&slot);
    claim(b.shares == 0 && b.rings == 0, "deinit drops what is stored, unwoken");
}

static void slot_allocates_nothing(void)
{
    long before = heap_counted();

    start();
    register_bell(&a);
    register_bell(&b);
    rouse_waker_slot_wake(&slot);
    register_bell(&a);
    rouse_waker_slot_deinit(&slot);
    claim(heap_counted() == before, "a slot allocates nothing");
}

// A waker whose clone and drop do something in the slot they are called from.
static void (*in_clone)(void);
static void (*in_drop)(void);

static struct rouse_waker nosy_waker(void);

static struct rouse_waker nosy_clone(void *data)
{
    bell_clone(data);
    if (in_clone != NULL) in_clone();
    return nosy_waker();
}

static void nosy_drop(void *data)
{
    bell_drop(data);
    if (in_drop != NULL) in_drop();
}

static const struct rouse_waker_vtable nosy_vtable = {
    .clone = nosy_clone, .wake = bell_wake, .wake_by_ref = bell_ring, .drop = nosy_drop};

static struct rouse_waker nosy_waker(void)
{
    return (struct rouse_waker){&nosy_vtable, &a};
}

static void wake_now(void)
{
    rouse_waker_slot_wake(&slot);
}

static void take_now(void)
{
    struct rouse_waker taken = rouse_waker_slot_take(&slot);

    claim(taken.vtable == NULL, "a take during a registration gets nothing");
}

static void wake_three_times(void)
{
    wake_now();
    wake_now();
    wake_now();
}

// Registers the nosy waker while `during` happens inside the registration.
static void register_during(void (*during)(void))
{
    struct rouse_waker waker = nosy_waker();

    in_clone = during;
    rouse_waker_slot_register(&slot, &waker);
    in_clone = NULL;
}

static void wake_during_registration_is_not_lost(void)
{
    start();
    register_during(wake_now);
    claim(a.rings == 1 && a.shares == 0,
          "a wake that falls into a registration wakes the new waker");
    claim(slot.state == 0 && slot.waker.vtable == NULL, "and leaves the slot empty and free");

    start();
    register_bell(&b);
    register_during(wake_now);
    claim(a.rings == 1 && a.shares == 0 && b.rings == 0 && b.shares == 0,
          "the new one, not the one it replaces, which is dropped");

    start();
    register_during(wake_three_times);
    claim(a.rings == 1 && a.shares == 0, "three such wakes are one");

    start();
    register_during(take_now);
    claim(a.rings == 1, "then the registration wakes for it");
    register_during(NULL);
    rouse_waker_slot_wake(&slot);
    claim(a.rings == 2 && a.shares == 0, "and the slot works on");
}

static void wake_during_drop_of_the_old_is_not_lost(void)
{
    start();
    register_during(NULL);
    in_drop = wake_now;
    register_bell(&b);
    in_drop = NULL;
    claim(a.shares == 0 && a.rings == 0 && b.rings == 1 && b.shares == 0,
          "the old waker is dropped when the slot is free again: a wake there meets the new one");
}

static void registration_during_a_take_wakes_itself(void)
{
    start();
    register_bell(&a);
    slot.state = SLOT_TAKING;  // another thread is inside a take
    register_bell(&b);
    claim(b.rings == 1 && b.shares == 0 && a.shares == 1,
          "a registration that falls into a take wakes its own waker and touches nothing");
    rouse_waker_slot_wake(&slot);
    claim(a.rings == 0 && a.shares == 1, "of two takes at once the second gets nothing");
    slot.state = 0;
    rouse_waker_slot_deinit(&slot);
    claim(a.shares == 0, "the first one's waker is still there for it");
}

static void register_again(void)
{
    register_bell(&b);
}

static void register_twice_at_once(void *unused)
{
    (void)unused;
    register_during(register_again);
}

static void second_registrant_panics(void)
{
    start();
    claim(panics(register_twice_at_once, NULL, "two threads registered in one waker slot"),
          "two registrations at once are misuse");
}

// ---- Threads ----

enum { WAKERS = 2, ROUNDS = RS_TSAN ? 100000 : 1000000, GIVE_UP_S = 20 };

// The registrant's waker: a flag. `shares` and `rings` are what a bell counts.
static _Atomic uint32_t alarm_rung;
static _Atomic int32_t alarm_shares;
// Each waker posts 1, 2, 3, ... and waits until the registrant has seen the number.
static _Atomic uint32_t posted[WAKERS];
static _Atomic uint32_t seen[WAKERS];
static _Atomic bool gave_up;

static struct rouse_waker alarm_clone(void *data);

static void alarm_ring(void *data)
{
    (void)data;
    // Release, with the acquire in alarm_wait(): what was posted before the wake is seen after it.
    atomic_store_explicit(&alarm_rung, 1, memory_order_release);
}

static void alarm_drop(void *data)
{
    (void)data;
    // Relaxed: a count, read when all threads have ended.
    atomic_fetch_sub_explicit(&alarm_shares, 1, memory_order_relaxed);
}

static void alarm_wake(void *data)
{
    alarm_ring(data);
    alarm_drop(data);
}

static const struct rouse_waker_vtable alarm_vtables[2] = {
    {.clone = alarm_clone, .wake = alarm_wake, .wake_by_ref = alarm_ring, .drop = alarm_drop},
    {.clone = alarm_clone, .wake = alarm_wake, .wake_by_ref = alarm_ring, .drop = alarm_drop}};

static struct rouse_waker alarm_clone(void *data)
{
    // Relaxed: see alarm_drop().
    atomic_fetch_add_explicit(&alarm_shares, 1, memory_order_relaxed);
    return (struct rouse_waker){data, data};
}

static time_t seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

// Spins until `*word` is `value`; false, for all threads, when that takes for ever.
static bool spin_until(_Atomic uint32_t *word, uint32_t value)
{
    time_t start_s = 0;

    // Acquire, with the release of who wrote it.
    for (unsigned spins = 1; atomic_load_explicit(word, memory_order_acquire) != value; spins++) {
        if (spins % 64 != 0) continue;
        sched_yield();
        if (spins % 65536 != 0) continue;
        if (start_s == 0) start_s = seconds();
        // Relaxed: orders nothing.
        if (seconds() - start_s > GIVE_UP_S) {
            atomic_store_explicit(&gave_up, true, memory_order_relaxed);
        }
        if (atomic_load_explicit(&gave_up, memory_order_relaxed)) return false;
    }
    return true;
}

static void *wake_in_rounds(void *arg)
{
    size_t own = (size_t)(uintptr_t)arg;

    for (uint32_t round = 1; round <= ROUNDS / WAKERS; round++) {
        // Relaxed: the slot publishes it; that is what is tested.
        atomic_store_explicit(&posted[own], round, memory_order_relaxed);
        rouse_waker_slot_wake(&slot);
        if (!spin_until(&seen[own], round)) return NULL;
    }
    return NULL;
}

// Marks what is new as seen; true if nothing was.
static bool nothing_posted(uint32_t last[WAKERS])
{
    bool nothing = true;

    for (size_t i = 0; i < WAKERS; i++) {
        // Relaxed: see wake_in_rounds().
        uint32_t now = atomic_load_explicit(&posted[i], memory_order_relaxed);

        if (now == last[i]) continue;
        last[i] = now;
        nothing = false;
        // Release: the waker may go on.
        atomic_store_explicit(&seen[i], now, memory_order_release);
    }
    return nothing;
}

static bool all_seen(const uint32_t last[WAKERS])
{
    for (size_t i = 0; i < WAKERS; i++) {
        if (last[i] != ROUNDS / WAKERS) return false;
    }
    return true;
}

// One registrant and some wakers: each wake is waited for, so losing one stops everybody.
static void threads_lose_no_wake(void)
{
    uint32_t last[WAKERS] = {0};
    pthread_t threads[WAKERS];
    unsigned parks = 0;

    slot = (struct rouse_waker_slot){0};
    for (size_t i = 0; i < WAKERS; i++) {
        pthread_create(&threads[i], NULL, wake_in_rounds, (void *)(uintptr_t)i);
    }
    while (!all_seen(last)) {
        // Now and then another waker, so that registrations replace and drop.
        const struct rouse_waker_vtable *vtable = &alarm_vtables[parks / 7 % 2];
        struct rouse_waker waker = {vtable, (void *)(uintptr_t)vtable};

        // Relaxed: only rings after this register count, and the slot orders those.
        atomic_store_explicit(&alarm_rung, 0, memory_order_relaxed);
        rouse_waker_slot_register(&slot, &waker);
        if (!nothing_posted(last)) continue;
        parks++;
        if (!spin_until(&alarm_rung, 1)) break;
    }
    for (size_t i = 0; i < WAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    claim(all_seen(last), "no wake is lost among threads");
    claim(parks > ROUNDS / 1000, "and the registrant often had only the wake to go by");
    rouse_waker_slot_deinit(&slot);
    claim(atomic_load_explicit(&alarm_shares, memory_order_relaxed) == 0,
          "every share is given up once");
}

int main(void)
{
    heap_watch();
    empty_slot_is_inert();
    register_stores_a_share();
    slot_allocates_nothing();
    wake_during_registration_is_not_lost();
    wake_during_drop_of_the_old_is_not_lost();
    registration_during_a_take_wakes_itself();
    second_registrant_panics();
    threads_lose_no_wake();
    return claims_end();
}
