// SPDX-License-Identifier: MIT
//
// The explorer tested on itself: what the memory model allows must be seen, what it forbids must
// not, and each kind of failure must be found where it is planted.

#include <stdatomic.h>

#include "base/lock.h"
#include "model.h"

static _Atomic int x;
static _Atomic int y;
static int plain;
static int r[4];

static void reset(void)
{
    atomic_store_explicit(&x, 0, memory_order_relaxed);
    atomic_store_explicit(&y, 0, memory_order_relaxed);
    plain = 0;
    for (int i = 0; i < 4; i++) r[i] = -1;
    model_name(&x, sizeof x, "x");
    model_name(&y, sizeof y, "y");
    model_name(&plain, sizeof plain, "plain");
}

// ---- Message passing ----

static void write_then_release(void)
{
    plain = 1;
    atomic_store_explicit(&x, 1, memory_order_release);
}

static void write_then_relaxed(void)
{
    plain = 1;
    atomic_store_explicit(&x, 1, memory_order_relaxed);
}

static void acquire_then_read(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire) == 1) {
        model_claim(plain == 1, "an acquire that sees the release sees what came before it");
    }
}

static void relaxed_then_read(void)
{
    if (atomic_load_explicit(&x, memory_order_relaxed) == 1) r[0] = plain;
}

// A read-modify-write carries on the release before it.
static void relaxed_add(void)
{
    (void)atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
}

static void acquire_two_then_read(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire) == 2) {
        model_claim(plain == 1, "a read-modify-write continues a release");
    }
}

// A relaxed store of another value does not.
static void relaxed_two(void)
{
    if (atomic_load_explicit(&x, memory_order_relaxed) == 1) {
        atomic_store_explicit(&x, 2, memory_order_relaxed);
    }
}

// ---- Store buffering ----

static void sb_seq_cst_x(void)
{
    atomic_store_explicit(&x, 1, memory_order_seq_cst);
    r[0] = atomic_load_explicit(&y, memory_order_seq_cst);
}

static void sb_seq_cst_y(void)
{
    atomic_store_explicit(&y, 1, memory_order_seq_cst);
    r[1] = atomic_load_explicit(&x, memory_order_seq_cst);
}

static void sb_release_y(void)
{
    atomic_store_explicit(&y, 1, memory_order_release);
    r[1] = atomic_load_explicit(&x, memory_order_acquire);
}

static void sb_check(void)
{
    model_claim(r[0] == 1 || r[1] == 1, "one of two seq_cst stores is seen by the other thread");
}

// ---- Independent reads of independent writes ----

static void store_x(void)
{
    atomic_store_explicit(&x, 1, memory_order_seq_cst);
}

static void store_y(void)
{
    atomic_store_explicit(&y, 1, memory_order_seq_cst);
}

static void iriw_xy(void)
{
    r[0] = atomic_load_explicit(&x, memory_order_seq_cst);
    r[1] = atomic_load_explicit(&y, memory_order_seq_cst);
}

static void iriw_yx(void)
{
    r[2] = atomic_load_explicit(&y, memory_order_seq_cst);
    r[3] = atomic_load_explicit(&x, memory_order_seq_cst);
}

static void iriw_yx_acquire(void)
{
    r[2] = atomic_load_explicit(&y, memory_order_acquire);
    r[3] = atomic_load_explicit(&x, memory_order_acquire);
}

static void iriw_check(void)
{
    model_claim(!(r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0),
                "all threads agree on the order of seq_cst stores");
}

// ---- Coherence ----

static void add_1(void)
{
    (void)atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
}

static void load_twice(void)
{
    int first = atomic_load_explicit(&x, memory_order_relaxed);
    int second = atomic_load_explicit(&x, memory_order_relaxed);

    model_claim(second >= first, "a thread never reads backwards");
}

static void added_twice(void)
{
    model_claim(atomic_load_explicit(&x, memory_order_relaxed) == 2, "no addition is lost");
}

static void load_then_store(void)
{
    int value = atomic_load_explicit(&x, memory_order_relaxed);

    atomic_store_explicit(&x, value + 1, memory_order_relaxed);
}

// ---- Locks, sleep, memory ----

static struct rs_lock lock;

static void lock_and_add(void)
{
    rs_lock(&lock);
    plain++;
    rs_unlock(&lock);
}

static void lock_check(void)
{
    model_claim(plain == 2, "a lock excludes");
}

static void park_if_not_set(void)
{
    if (atomic_load_explicit(&x, memory_order_seq_cst) == 0) model_park();
}

static void set_and_unpark(void)
{
    atomic_store_explicit(&x, 1, memory_order_seq_cst);
    model_unpark(1);
}

static void set_without_unpark(void)
{
    atomic_store_explicit(&x, 1, memory_order_seq_cst);
}

static int *shared;

static void alloc_shared(void)
{
    reset();
    shared = model_alloc(sizeof *shared);
    *shared = 1;
}

static void read_shared(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire) == 1) r[0] = *shared;
}

static void free_shared(void)
{
    model_free(shared);
    atomic_store_explicit(&x, 1, memory_order_release);
}

static void use_and_free_if_second(void)
{
    model_claim(*shared == 1, "it is there");
    if (atomic_fetch_add_explicit(&x, 1, memory_order_relaxed) == 1) model_free(shared);
}

static void free_either(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire) == 0) {
        atomic_store_explicit(&x, 1, memory_order_release);
        model_free(shared);
    }
}

const struct model_scenario model_self_scenarios[] = {
    {.name = "self_message",
     .about = "release and acquire pass a message",
     .setup = reset,
     .threads = {write_then_release, acquire_then_read}},
    {.name = "self_message_continued",
     .about = "a read-modify-write carries a message on",
     .setup = reset,
     .threads = {write_then_release, relaxed_add, acquire_two_then_read}},
    {.name = "self_store_buffering",
     .about = "seq_cst accesses do not miss each other",
     .setup = reset,
     .threads = {sb_seq_cst_x, sb_seq_cst_y},
     .check = sb_check},
    {.name = "self_iriw",
     .about = "seq_cst stores have one order",
     .setup = reset,
     .threads = {store_x, store_y, iriw_xy, iriw_yx},
     .check = iriw_check},
    {.name = "self_coherence",
     .about = "one location is seen in one order",
     .setup = reset,
     .threads = {add_1, add_1, load_twice},
     .check = added_twice},
    {.name = "self_lock",
     .about = "the lock excludes, and loses no waiter",
     .setup = reset,
     .threads = {lock_and_add, lock_and_add},
     .check = lock_check},
    {.name = "self_park",
     .about = "a park is ended by an unpark, whenever it comes",
     .setup = reset,
     .threads = {park_if_not_set, set_and_unpark}},
    {.name = "self_planted_release",
     .about = "a missing release is found",
     .setup = reset,
     .threads = {write_then_relaxed, acquire_then_read},
     .must_fail = "data race"},
    {.name = "self_planted_acquire",
     .about = "a missing acquire is found",
     .setup = reset,
     .threads = {write_then_release, relaxed_then_read},
     .must_fail = "data race"},
    {.name = "self_planted_chain",
     .about = "a release that is not carried on is found",
     .setup = reset,
     .threads = {write_then_release, relaxed_two, acquire_two_then_read},
     .must_fail = "data race"},
    {.name = "self_planted_seq_cst",
     .about = "acquire and release do miss each other",
     .setup = reset,
     .threads = {sb_seq_cst_x, sb_release_y},
     .check = sb_check,
     .must_fail = "is seen by the other"},
    {.name = "self_planted_iriw",
     .about = "acquire loads do not agree on an order",
     .setup = reset,
     .threads = {store_x, store_y, iriw_xy, iriw_yx_acquire},
     .check = iriw_check,
     .must_fail = "agree on the order"},
    {.name = "self_planted_update",
     .about = "a lost update is found",
     .setup = reset,
     .threads = {load_then_store, load_then_store},
     .check = added_twice,
     .must_fail = "no addition is lost"},
    {.name = "self_planted_sleep",
     .about = "a lost wake-up is found",
     .setup = reset,
     .threads = {park_if_not_set, set_without_unpark},
     .must_fail = "every thread waits"},
    {.name = "self_planted_use",
     .about = "a use of freed memory is found",
     .setup = alloc_shared,
     .threads = {read_shared, free_shared},
     .must_fail = "freed memory"},
    {.name = "self_planted_unordered_free",
     .about = "a free that is not ordered after a use is found",
     .setup = alloc_shared,
     .threads = {use_and_free_if_second, use_and_free_if_second},
     .must_fail = "race"},
    {.name = "self_planted_double_free",
     .about = "a double free is found",
     .setup = alloc_shared,
     .threads = {free_either, free_either},
     .must_fail = "freed twice"},
    {.name = "self_planted_leak",
     .about = "a leak is found",
     .setup = alloc_shared,
     .threads = {read_shared},
     .must_fail = "never freed"},
    {.name = NULL},
};
