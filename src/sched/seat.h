// SPDX-License-Identifier: MIT
//
// Seats: on which processors workers have been, and since when they have wanted to be there. Two
// workers of a runtime that were kept on one processor part: see seat.c.

#ifndef RS_SCHED_SEAT_H
#define RS_SCHED_SEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"

struct rs_sched;
struct rs_worker;

// Of a processor, and of those whose numbers are alike in the last digits: it is of who came last.
enum { RS_SEATS = 128 };

struct rs_seat {
    // 256 times the processor, and one more than the worker's index; 0: nobody yet.
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t sitter;
    _Atomic uint64_t wanted_ns;  // since when it has wanted the processor
    _Atomic uint64_t seen_ns;    // and until when
};

struct rs_seats {
    _Atomic bool on;  // workers may be moved
    int running_fd;   // see rs_cpus_running(); only while `is_open`
    bool is_open;
    _Atomic uint64_t kept_until_ns;  // who goes to sleep before this keeps its processor
    struct rs_seat seats[RS_SEATS];
};

// Before the workers run. Off where there is one worker, or one processor, or no /proc, or where
// `ROUSE_SEATS` is 0.
void rs_seats_init(struct rs_sched *sched);
// When they have ended; or in the child of a fork. Also where there was no init.
void rs_seats_deinit(struct rs_sched *sched);

// For who is about to wake the worker's thread.
void rs_seat_call(struct rs_worker *worker);

// For the worker's own thread, at the time `now_ns`: it has slept since `begin_ns`, or begins to
// run; it looks up from its work; it is about to sleep. The last two may move it.
void rs_seat_take(struct rs_worker *worker, uint64_t begin_ns, uint64_t now_ns);
void rs_seat_look(struct rs_worker *worker, uint64_t now_ns);

// After that look: it sleeps, perhaps where it is and nowhere else; and it has woken, before
// anything is done that others may learn from what it is allowed.
void rs_seat_keep(struct rs_worker *worker, uint64_t now_ns);
void rs_seat_give_up(struct rs_worker *worker);

#endif
