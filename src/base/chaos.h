// SPDX-License-Identifier: MIT
//
// Chaos points: places where a scheduling decision may legally go another way. Off, a point is one
// load of a flag that is never written after start. On (ROUSE_CHAOS=seed), each thread draws from
// its seeded generator, so stress runs visit orders that luck does not.

#ifndef RS_BASE_CHAOS_H
#define RS_BASE_CHAOS_H

#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>

enum rs_chaos {
    RS_CHAOS_DELAY,     // let other threads go on here: rs_chaos_delay()
    RS_CHAOS_REQUEUE,   // put a task at the back instead of the next-task slot
    RS_CHAOS_SHARE,     // put a task into the queue of all workers instead of the own one
    RS_CHAOS_STEAL,     // look at the other workers before the own queue
    RS_CHAOS_TURN,      // turn the driver although work is at hand
    RS_CHAOS_SPURIOUS,  // poll a task that waits for no reason
    RS_CHAOS_AWAKE,     // do not sleep although there is nothing to do
    RS_CHAOS_GIVE,      // give all tasks to another worker
};

// 0 compiles every point away.
#ifndef ROUSE_CHAOS_POINTS
#define ROUSE_CHAOS_POINTS 1
#endif

extern _Atomic bool rs_chaos_on;

// Reads ROUSE_CHAOS; called before a runtime's threads start. A second call does nothing.
void rs_chaos_init(void);

bool rs_chaos_draw(enum rs_chaos point);

// True if the caller should go the other way this time.
static inline bool rs_chaos(enum rs_chaos point)
{
    // Relaxed: a switch that is thrown once.
    return ROUSE_CHAOS_POINTS &&
           ROUSE_UNLIKELY(atomic_load_explicit(&rs_chaos_on, memory_order_relaxed)) &&
           rs_chaos_draw(point);
}

// Between two steps of a protocol, where another thread may come in: sometimes gives it time to.
static inline void rs_chaos_delay(void)
{
    (void)rs_chaos(RS_CHAOS_DELAY);
}

#endif
