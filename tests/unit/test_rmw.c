// SPDX-License-Identifier: MIT
//
// Read-modify-writes: that each does what the atomic one of its name does, and that those done
// alone and those done beside another thread make one history.

#include "base/rmw.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/lock.h"
#include "claim.h"

enum { WORDS = 1000, ROUNDS = 200000 };

// ---- What each does ----

static bool exchange_does_32(uint32_t now, uint32_t expected, uint32_t desired)
{
    _Atomic uint32_t word = now;
    uint32_t seen = expected;
    bool done = rs_compare_exchange_strong_32(&word, &seen, desired, memory_order_acq_rel,
                                              memory_order_relaxed);

    if (done != (now == expected) || seen != now || word != (done ? desired : now)) return false;
    while (!rs_compare_exchange_weak_32(&word, &seen, now, memory_order_acq_rel,
                                        memory_order_relaxed)) {
    }
    return word == now;
}

static bool operations_do_32(uint32_t now, uint32_t value)
{
    _Atomic uint32_t word = now;

    if (rs_fetch_add_32(&word, value, memory_order_acq_rel) != now) return false;
    if (rs_fetch_sub_32(&word, value, memory_order_acq_rel) != now + value) return false;
    if (rs_fetch_or_32(&word, value, memory_order_acq_rel) != now) return false;
    if (rs_fetch_and_32(&word, ~value, memory_order_acq_rel) != (now | value)) return false;
    return word == (now & ~value) && exchange_does_32(now, now, value) &&
           exchange_does_32(now, value, value + 1);
}

static bool exchange_does_64(uint64_t now, uint64_t expected, uint64_t desired)
{
    _Atomic uint64_t word = now;
    uint64_t seen = expected;
    bool done = rs_compare_exchange_strong_64(&word, &seen, desired, memory_order_acq_rel,
                                              memory_order_relaxed);

    if (done != (now == expected) || seen != now || word != (done ? desired : now)) return false;
    while (!rs_compare_exchange_weak_64(&word, &seen, now, memory_order_acq_rel,
                                        memory_order_relaxed)) {
    }
    return word == now;
}

static bool operations_do_64(uint64_t now, uint64_t value)
{
    _Atomic uint64_t word = now;

    if (rs_fetch_add_64(&word, value, memory_order_acq_rel) != now) return false;
    if (rs_fetch_sub_64(&word, value, memory_order_acq_rel) != now + value) return false;
    if (rs_fetch_or_64(&word, value, memory_order_acq_rel) != now) return false;
    if (rs_fetch_and_64(&word, ~value, memory_order_acq_rel) != (now | value)) return false;
    return word == (now & ~value) && exchange_does_64(now, now, value) &&
           exchange_does_64(now, value, value + 1);
}

static bool all_do_what_they_are_called(void)
{
    uint64_t seed = 42;

    for (int i = 0; i < WORDS; i++) {
        uint64_t now = claim_random(&seed);
        uint64_t value = claim_random(&seed);

        if (!operations_do_32((uint32_t)now, (uint32_t)value)) return false;
        if (!operations_do_64(now, value)) return false;
    }
    return true;
}

// ---- Alone, and with another thread ----

static struct rs_lock lock;
static _Atomic uint64_t sum;
static uint64_t locked_sum;  // under the lock

static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        // Relaxed: read when the threads have been joined.
        (void)rs_fetch_add_64(&sum, 1, memory_order_relaxed);
        rs_lock(&lock);
        locked_sum++;
        rs_unlock(&lock);
    }
    return arg;
}

// The lock is taken alone, and given back when another thread waits for it.
static void add_from_two_threads(void)
{
    pthread_t other;

    (void)add(NULL);
    rs_lock(&lock);
    if (pthread_create(&other, NULL, add, NULL) != 0) exit(1);
    locked_sum++;
    rs_unlock(&lock);
    (void)add(NULL);
    (void)pthread_join(other, NULL);
}

int main(void)
{
    claim(all_do_what_they_are_called(), "alone, each does what the atomic one of its name does");
    add_from_two_threads();
    claim(sum == 3 * ROUNDS, "sums of a thread alone, and of two, are whole");
    claim(locked_sum == 3 * ROUNDS + 1, "a lock that was taken alone keeps the next thread out");
    claim(all_do_what_they_are_called(), "where there have been other threads, each does the same");
    return claims_end();
}
