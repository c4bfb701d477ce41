// SPDX-License-Identifier: MIT
//
// One word and a futex: EMPTY --wake--> WOKEN --wait--> EMPTY, and PARKED while the thread sleeps.

#include "sched/parker.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/sys.h"

enum { PARKER_EMPTY = 0, PARKER_WOKEN = 1, PARKER_PARKED = 2 };

struct rs_parker {
    _Atomic uint32_t word;
    _Atomic uint32_t references;
};

struct rs_parker *rs_parker_new(void)
{
    struct rs_parker *parker = rs_alloc(rouse_allocator_default(), sizeof *parker);

    // Relaxed: not shared yet.
    if (parker != NULL) atomic_store_explicit(&parker->references, 1, memory_order_relaxed);
    return parker;
}

void rs_parker_unref(struct rs_parker *parker)
{
    // Acq_rel: the last one frees after everything the others did.
    if (atomic_fetch_sub_explicit(&parker->references, 1, memory_order_acq_rel) == 1) {
        rs_free(rouse_allocator_default(), parker, sizeof *parker);
    }
}

static struct rouse_waker parker_clone(void *data)
{
    struct rs_parker *parker = data;

    // Relaxed: the caller has a share already.
    atomic_fetch_add_explicit(&parker->references, 1, memory_order_relaxed);
    return rs_parker_waker(parker);
}

static void parker_wake_by_ref(void *data)
{
    struct rs_parker *parker = data;

    // Release, with the acquire in rs_parker_wait(): what was written before the wake is seen by
    // the poll that follows. Unconditional, so that a redundant wake publishes too.
    if (atomic_exchange_explicit(&parker->word, PARKER_WOKEN, memory_order_release) ==
        PARKER_PARKED) {
        (void)rs_sys.futex_wake((uint32_t *)&parker->word, 1);
    }
}

static void parker_wake(void *data)
{
    parker_wake_by_ref(data);
    rs_parker_unref(data);
}

static void parker_drop(void *data)
{
    rs_parker_unref(data);
}

static const struct rouse_waker_vtable parker_vtable = {
    .clone = parker_clone,
    .wake = parker_wake,
    .wake_by_ref = parker_wake_by_ref,
    .drop = parker_drop,
};

struct rouse_waker rs_parker_waker(struct rs_parker *parker)
{
    return (struct rouse_waker){.vtable = &parker_vtable, .data = parker};
}

void rs_parker_wait(struct rs_parker *parker)
{
    uint32_t expected = PARKER_EMPTY;

    // Relaxed: the thread is its only parker; a failure means WOKEN, acquired below.
    if (atomic_compare_exchange_strong_explicit(&parker->word, &expected, PARKER_PARKED,
                                                memory_order_relaxed, memory_order_relaxed)) {
        while (atomic_load_explicit(&parker->word, memory_order_relaxed) == PARKER_PARKED) {
            // EINTR and spurious returns: look again.
            (void)rs_sys.futex_wait((uint32_t *)&parker->word, PARKER_PARKED, NULL);
        }
    }
    // Acquire, with the release in parker_wake_by_ref().
    atomic_exchange_explicit(&parker->word, PARKER_EMPTY, memory_order_acquire);
}
