// SPDX-License-Identifier: MIT
//
// The ring of a trace: records come out in order and whole, while it comes round many times and
// another thread reads; without room they are dropped and counted, and nothing waits.

#include "sched/trace_ring.h"

#include <pthread.h>
#include <stdlib.h>

#include "claim.h"

enum { RECORDS = 300000 };

static struct rs_trace_ring ring;
static uint64_t next;  // the reader's
static uint64_t disorders;
static uint64_t taken;
static _Atomic bool done;

static bool put(uint64_t number)
{
    struct rs_trace_record *record = rs_trace_ring_reserve(&ring);

    if (record == NULL) return false;
    record->begin_ns = number;
    record->end_ns = ~number;
    rs_trace_ring_commit(&ring);
    return true;
}

static void take(const struct rs_trace_record *record, void *arg)
{
    (void)arg;
    // A number may be left out where it was dropped.
    disorders += record->begin_ns < next || record->end_ns != ~record->begin_ns;
    next = record->begin_ns + 1;
    taken++;
}

static void begin(void)
{
    ring = (struct rs_trace_ring){.records = NULL};
    next = disorders = taken = 0;
    if (rs_trace_ring_init(&ring, rouse_allocator_default()) < 0) exit(1);
}

static bool a_full_ring_drops(void)
{
    begin();
    for (uint64_t i = 0; i < RS_TRACE_RING_CAPACITY; i++) {
        if (!put(i)) return false;
    }
    if (put(1) || put(1) || rs_trace_ring_dropped(&ring) != 2) return false;
    if (rs_trace_ring_read(&ring, 3, take, NULL) != 3 || next != 3) return false;
    if (!put(RS_TRACE_RING_CAPACITY) || rs_trace_ring_dropped(&ring) != 2) return false;
    uint64_t rest = rs_trace_ring_read(&ring, UINT64_MAX, take, NULL);

    return rest == RS_TRACE_RING_CAPACITY - 2 && disorders == 0 &&
           rs_trace_ring_read(&ring, 1, take, NULL) == 0;
}

static bool what_is_reserved_only_is_not_read(void)
{
    begin();
    if (rs_trace_ring_reserve(&ring) == NULL) return false;
    return rs_trace_ring_read(&ring, 1, take, NULL) == 0 && put(0) &&
           rs_trace_ring_read(&ring, 8, take, NULL) == 1;
}

static void *write_all(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; i < RECORDS; i++) (void)put(i);
    // Release, with the acquire in read_meanwhile(): all that was put in is seen then.
    atomic_store_explicit(&done, true, memory_order_release);
    return NULL;
}

static bool read_meanwhile(void)
{
    pthread_t thread;

    begin();
    if (pthread_create(&thread, NULL, write_all, NULL) != 0) return false;
    while (!atomic_load_explicit(&done, memory_order_acquire)) {
        (void)rs_trace_ring_read(&ring, 1000, take, NULL);
    }
    while (rs_trace_ring_read(&ring, 1000, take, NULL) > 0) {
    }
    (void)pthread_join(thread, NULL);
    return disorders == 0 && taken > 0 && taken + rs_trace_ring_dropped(&ring) == RECORDS;
}

int main(void)
{
    bool all = a_full_ring_drops();

    rs_trace_ring_deinit(&ring, rouse_allocator_default());
    claim(all, "without room records are dropped and counted");
    all = what_is_reserved_only_is_not_read();
    rs_trace_ring_deinit(&ring, rouse_allocator_default());
    claim(all, "a record that is not complete is not read");
    all = read_meanwhile();
    rs_trace_ring_deinit(&ring, rouse_allocator_default());
    claim(all, "what another thread reads is whole, in order, and all that was not dropped");
    return claims_end();
}
