// SPDX-License-Identifier: MIT
//
// Whether a thread that has nothing to do looks again and again for a while before it sleeps. To
// wake one that sleeps costs its waker several microseconds, and takes some twenty until it runs;
// one that spins goes on after a tenth of one. But where nothing comes, a spin is lost time of a
// processor; and if that is the one on which the awaited thread is to run, it even keeps that from
// coming. So no length of sleeps tells whether to spin, only spins do. After some short sleeps in a
// row one is tried. If it finds something, spins go on until too many are in vain; if not, the next
// try is after twice as many short sleeps.
//
// A spin orders nothing and publishes nothing: what it sees is a hint, and whoever has spun in vain
// goes to sleep by the same steps as one that has not.

#ifndef RS_BASE_SPIN_H
#define RS_BASE_SPIN_H

#include <rouse/clock.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/cpu.h"

// What a wake from core to core costs both sides, and a job of the same length.
#define RS_SPIN_MAX_NS (50 * ROUSE_NS_PER_US)

// So many looks between two at the clock; and so many in all, which are never reached in the time:
// a spin ends also where the clock stands still.
#ifndef RS_SPIN_STRIDE
#define RS_SPIN_STRIDE 16
#endif
#ifndef RS_SPIN_LOOKS_MAX
#define RS_SPIN_LOOKS_MAX 65536
#endif

// What spins are worth. One that paid saves some 25 us, one in vain costs up to 50: so they go on
// while three of four pay.
enum { RS_SPIN_SCORE_MAX = 8, RS_SPIN_IN_VAIN = 3 };
// Short sleeps in a row before a try. At the most, tries in vain take less than one in a hundred of
// the time.
enum { RS_SPIN_PATIENCE_MIN = 4, RS_SPIN_PATIENCE_MAX = 4096 };

// One thread at a time. All zero: never spins.
struct rs_spin {
    uint64_t max_ns;    // 0: never
    uint32_t score;     // above 0: the next sleep is put off by a spin
    uint32_t shorts;    // sleeps in a row; where there are no spins
    uint32_t patience;  // so many of them before the next try, if more than the least
};

// A spin that has begun.
struct rs_spinning {
    uint64_t until_ns;
    uint32_t looks;
};

// A virtual clock stands still while threads are busy.
static inline bool rs_spin_is_worth_it(const struct rs_spin *spin)
{
    return spin->score > 0 && spin->max_ns > 0 && !rs_clock_is_virtual();
}

static inline struct rs_spinning rs_spin_begin(const struct rs_spin *spin)
{
    return (struct rs_spinning){.until_ns = rouse_now_ns() + spin->max_ns};
}

// True each so many looks, for those that are dear to whom they look at.
static inline bool rs_spin_is_far_look(const struct rs_spinning *spinning)
{
    return spinning->looks % RS_SPIN_STRIDE == 0;
}

// Before each look but the first. False: the time is over.
static inline bool rs_spin_goes_on(struct rs_spinning *spinning)
{
    rs_cpu_relax();
    spinning->looks++;
    if (!rs_spin_is_far_look(spinning)) return true;
    return spinning->looks < RS_SPIN_LOOKS_MAX && rouse_now_ns() < spinning->until_ns;
}

// The spin has found something.
static inline void rs_spin_paid(struct rs_spin *spin)
{
    if (spin->score < RS_SPIN_SCORE_MAX) spin->score++;
    spin->patience /= 2;
}

// After a spin that found nothing, and the sleep that followed. `by_thread`: that was ended by
// another thread's work, and not by an event, a timer or the end of the time. What the kernel ends
// no spin would have seen: then there is no other spin, and no event waits for one again.
static inline void rs_spin_was_in_vain(struct rs_spin *spin, bool by_thread)
{
    if (by_thread && spin->score > RS_SPIN_IN_VAIN) {
        spin->score -= RS_SPIN_IN_VAIN;
        return;
    }
    spin->score = 0;
    spin->shorts = 0;
    if (spin->patience < RS_SPIN_PATIENCE_MIN) spin->patience = RS_SPIN_PATIENCE_MIN;
    if (spin->patience < RS_SPIN_PATIENCE_MAX) spin->patience *= 2;
}

// After a sleep without a spin. It is short if a spin could have been long enough, had that spared
// the wakes from core to core that are part of the sleep, and may be as long again.
static inline void rs_spin_slept(struct rs_spin *spin, uint64_t slept_ns, bool by_thread)
{
    if (!by_thread || slept_ns > 2 * spin->max_ns) {
        spin->shorts = 0;
        return;
    }
    spin->shorts++;
    if (spin->shorts < RS_SPIN_PATIENCE_MIN || spin->shorts < spin->patience) return;
    spin->shorts = 0;
    spin->score = 1;  // a try
}

#endif
