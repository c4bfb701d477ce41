// SPDX-License-Identifier: MIT
//
// The idle set: one word, each transition one read-modify-write. The protocol, and why it loses no
// wake-up: see idle.h.

#include "sched/idle.h"

#define SEARCHER (UINT64_C(1) << RS_WORKERS_MAX)
#define SLEEPERS (SEARCHER - 1)

_Static_assert(RS_WORKERS_MAX < UINT64_C(1) << (64 - RS_WORKERS_MAX), "all workers may search");

static uint64_t bit(unsigned index)
{
    return UINT64_C(1) << index;
}

static unsigned searchers(uint64_t word)
{
    return (unsigned)(word >> RS_WORKERS_MAX);
}

// Before any other thread knows of the set.
void rs_idle_init(struct rs_idle *set)
{
    atomic_init(&set->word, 0);
}

void rs_idle_enter(struct rs_idle *set, unsigned index, bool searching)
{
    // Its bit is clear (1), so an addition sets it.
    uint64_t change = bit(index) - (searching ? SEARCHER : 0);

    // Seq_cst, because a submitter and we must not miss each other: it makes its task visible,
    // then loads this word in rs_idle_pick(); we change this word, then look at the queues. Its
    // acquire also meets the release in rs_idle_search_end(): what that searcher had moved into
    // its own queue is seen by our second look.
    atomic_fetch_add_explicit(&set->word, change, memory_order_seq_cst);
}

bool rs_idle_leave(struct rs_idle *set, unsigned index)
{
    // Acquire, with the release of whoever took us out: we see the task that made it.
    uint64_t before = atomic_fetch_and_explicit(&set->word, ~bit(index), memory_order_acquire);

    return (before & bit(index)) != 0;
}

int rs_idle_pick(struct rs_idle *set)
{
    // Seq_cst, with rs_idle_enter(), see there.
    uint64_t word = atomic_load_explicit(&set->word, memory_order_seq_cst);

    while ((word & SLEEPERS) != 0 && searchers(word) == 0) {
        // The lowest: so few workers share the work there is, and the others sleep long.
        unsigned index = (unsigned)__builtin_ctzll(word);

        // Release, with the acquire in rs_idle_leave(). Relaxed on failure: we learn of a later
        // value than the first load's, and whoever made it entered, or ended its search, no
        // earlier than that; the proof in idle.h needs no more.
        if (atomic_compare_exchange_weak_explicit(&set->word, &word, word - bit(index) + SEARCHER,
                                                  memory_order_release, memory_order_relaxed)) {
            return (int)index;
        }
    }
    return -1;
}

bool rs_idle_take(struct rs_idle *set, unsigned index)
{
    // Seq_cst, with rs_idle_enter(), see there: the queue is the worker's inbox.
    uint64_t word = atomic_load_explicit(&set->word, memory_order_seq_cst);

    while ((word & bit(index)) != 0) {
        // Release, with the acquire in rs_idle_leave(). Relaxed on failure: if the bit is gone, the
        // worker is awake or somebody wakes it, and it empties its inbox before it sleeps again.
        if (atomic_compare_exchange_weak_explicit(&set->word, &word, word - bit(index) + SEARCHER,
                                                  memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

bool rs_idle_search_begin(struct rs_idle *set, unsigned limit)
{
    // Relaxed: a hint. The search has no duty until it ends.
    if (rs_idle_searchers(set) >= limit) return false;
    // Relaxed: a submitter that sees it relies on how the search ends, which is ordered there.
    atomic_fetch_add_explicit(&set->word, SEARCHER, memory_order_relaxed);
    return true;
}

bool rs_idle_search_end(struct rs_idle *set)
{
    // Release, with the seq_cst read-modify-write in rs_idle_enter(): a searcher that was not the
    // last, and goes to sleep after us, sees what we have moved into our queue.
    uint64_t before = atomic_fetch_sub_explicit(&set->word, SEARCHER, memory_order_release);

    return searchers(before) == 1;
}

uint64_t rs_idle_sleepers(const struct rs_idle *set)
{
    // Relaxed: a hint.
    return atomic_load_explicit(&set->word, memory_order_relaxed) & SLEEPERS;
}

unsigned rs_idle_searchers(const struct rs_idle *set)
{
    // Relaxed: a hint.
    return searchers(atomic_load_explicit(&set->word, memory_order_relaxed));
}
