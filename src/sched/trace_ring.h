// SPDX-License-Identifier: MIT
//
// What a worker tells of itself to whoever writes a trace: a bounded ring of records. The worker
// never waits: a record for which there is no room is dropped, and counted.
//
// 1. `tail` is how many records the worker has put in, `head` how many have been taken out; both
//    only grow. tail - head <= CAPACITY.
// 2. Only the worker writes `tail`, `dropped`, `head_seen`, and the records outside [head, tail).
//    Only the reader, of whom there is one at a time, writes `head`.
//
//     may run at once   reserve, commit   read
//     reserve, commit         no           yes
//     read                    yes          no

#ifndef RS_SCHED_TRACE_RING_H
#define RS_SCHED_TRACE_RING_H

#include <rouse/allocator.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

// Four MiB for each worker, of which memory is what has been used. A model test explores it at 2.
#ifndef RS_TRACE_RING_CAPACITY
#define RS_TRACE_RING_CAPACITY 32768
#endif
// Of one for short records: all of it stays in a processor's cache, and so does what the tasks use.
#define RS_TRACE_RING_SHORT_CAPACITY (RS_TRACE_RING_CAPACITY < 8192 ? RS_TRACE_RING_CAPACITY : 8192)

// And of one for few.
#define RS_TRACE_RING_SMALL_CAPACITY (RS_TRACE_RING_CAPACITY < 256 ? RS_TRACE_RING_CAPACITY : 256)

enum rs_trace_kind { RS_TRACE_POLL, RS_TRACE_PARK, RS_TRACE_STEAL };

enum {
    RS_TRACE_FIRST = 1 << 0,  // of a poll: the task's first
    RS_TRACE_ENDED = 1 << 1,  // its last
    RS_TRACE_AGAIN = 1 << 2,  // it was scheduled again at once
};

struct rs_trace_record {
    uint64_t begin_ns;
    uint64_t end_ns;
    uint64_t task;    // its id; of a steal: how many
    uint64_t woken;   // of a poll: see observe.h
    uint32_t origin;  // of a poll: a number of the task's site, likely of no other's
    uint8_t kind;
    uint8_t flags;
    union {
        uint8_t victim;  // of a steal: whose tasks they were
        uint8_t weight;  // of a poll, in a short record: for how many it stands
    };
    char name[33];  // cut off where they are longer; the task may be gone when this is read
    char site[56];
};
_Static_assert(sizeof(struct rs_trace_record) == 128, "two cache lines");

// What there is of a short one: all but the names.
enum { RS_TRACE_RECORD_SHORT = 40 };
_Static_assert(offsetof(struct rs_trace_record, name) < RS_TRACE_RECORD_SHORT, "all but the names");

struct rs_trace_ring {
    char *records;      // NULL: there is none
    uint32_t capacity;  // a power of two
    uint32_t stride;    // the size of a record
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t tail;
    _Atomic uint64_t dropped;
    uint64_t head_seen;  // what `head` was when there last seemed to be no room
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t head;
};

// 0 or -ENOMEM. The ring is all zero, and not shared yet. The second: for few records; the
// third: for short ones.
int rs_trace_ring_init(struct rs_trace_ring *ring, const struct rouse_allocator *allocator);
int rs_trace_ring_init_small(struct rs_trace_ring *ring, const struct rouse_allocator *allocator);
int rs_trace_ring_init_short(struct rs_trace_ring *ring, const struct rouse_allocator *allocator);
void rs_trace_ring_deinit(struct rs_trace_ring *ring, const struct rouse_allocator *allocator);

// The worker. Where to put the next record; NULL if it is dropped.
struct rs_trace_record *rs_trace_ring_reserve(struct rs_trace_ring *ring);
// What was put there may be read.
void rs_trace_ring_commit(struct rs_trace_ring *ring);

// The reader. Takes at most `max` records out, oldest first, and returns how many. No call of
// `visit` may use its record afterwards.
uint64_t rs_trace_ring_read(struct rs_trace_ring *ring, uint64_t max,
                            void (*visit)(const struct rs_trace_record *record, void *arg),
                            void *arg);

// How many have been dropped so far. Any thread.
uint64_t rs_trace_ring_dropped(const struct rs_trace_ring *ring);

#endif
