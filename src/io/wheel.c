// SPDX-License-Identifier: MIT
//
// The timer wheel: a radix heap whose digits are levels (Ahuja, Mehlhorn, Orlin and Tarjan,
// "Faster Algorithms for the Shortest Path Problem"), which is a hierarchical timing wheel
// (Varghese and Lauck) carried down to single nanoseconds.
//
// A deadline is eleven digits of six bits. An entry stands on the level of the highest digit in
// which its deadline differs from `reached_ns`, in the slot named by that digit. So:
//
// 1. On a level, only slots above the digit of `reached_ns` are occupied; on level 0 also the slot
//    of that digit, whose entries are due now.
// 2. Every entry of a level is due before every entry of the levels above it, and within a level
//    the slots are in order. So the first slot to come due is found by two bit searches, however
//    far away it is: the wheel never turns through empty slots.
// 3. Entries of equal deadline always share a slot, and a slot keeps the order of insertion.
// 4. `reached_ns` may move up to any time that precedes no entry's deadline. That changes the
//    level of the entries of one slot at most: the first one, if the new time lies within it.
//
// A deadline that has been reached already is filed as if it were `reached_ns`.

#include "io/wheel.h"

#include <rouse/assert.h>
#include <rouse/clock.h>
#include <string.h>

// How many entries ahead a walk along a slot prefetches: enough to hide a miss of the last cache
// behind the work on the others (measured: 4 is too few, 16 no better).
enum { PREFETCH_DISTANCE = 8 };

static unsigned slot_level(unsigned slot)
{
    return slot / RS_WHEEL_LEVEL_SLOTS;
}

// Of an occupied slot.
static struct rouse_timer_entry *slot_first(const struct rs_wheel *wheel, unsigned slot)
{
    return wheel->slots[slot].last->next;
}

// The slot that comes due first. Some slot must be occupied.
static unsigned first_slot(const struct rs_wheel *wheel)
{
    unsigned level = (unsigned)__builtin_ctz(wheel->levels);

    return level * RS_WHEEL_LEVEL_SLOTS + (unsigned)__builtin_ctzll(wheel->occupied[level]);
}

static void slot_set_occupied(struct rs_wheel *wheel, unsigned slot)
{
    unsigned level = slot_level(slot);

    wheel->occupied[level] |= UINT64_C(1) << (slot % RS_WHEEL_LEVEL_SLOTS);
    wheel->levels |= UINT32_C(1) << level;
}

static void slot_set_empty(struct rs_wheel *wheel, unsigned slot)
{
    unsigned level = slot_level(slot);

    wheel->slots[slot].last = NULL;
    wheel->occupied[level] &= ~(UINT64_C(1) << (slot % RS_WHEEL_LEVEL_SLOTS));
    if (wheel->occupied[level] == 0) wheel->levels &= ~(UINT32_C(1) << level);
}

void rs_wheel_init(struct rs_wheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->reached_ns = now_ns;
}

// Where a deadline belongs at present.
static unsigned deadline_slot(const struct rs_wheel *wheel, uint64_t deadline_ns)
{
    uint64_t position = deadline_ns > wheel->reached_ns ? deadline_ns : wheel->reached_ns;
    uint64_t difference = (position ^ wheel->reached_ns) | 1;
    // A division by a constant this small is a multiplication and a shift.
    unsigned level = (63U - (unsigned)__builtin_clzll(difference)) / RS_WHEEL_DIGIT_BITS;
    uint64_t digit = (position >> (level * RS_WHEEL_DIGIT_BITS)) % RS_WHEEL_LEVEL_SLOTS;

    return level * RS_WHEEL_LEVEL_SLOTS + (unsigned)digit;
}

// A list of a million timers lies all over memory, and walking it waits for each entry in turn. So
// an entry learns, when the one some places behind it is appended, where that one is. It is told
// once, and later removals do not correct it: an old address is prefetched in vain.
static void slot_tell_ahead(struct rs_wheel_slot *slot, struct rouse_timer_entry *appended)
{
    slot->lag->ahead = (uint32_t)(uintptr_t)appended;
    if (slot->lag_distance == PREFETCH_DISTANCE) {
        slot->lag = slot->lag->next;
    } else {
        slot->lag_distance++;
    }
}

// Appends the entry to its slot. Touches only entries that were appended not long ago.
static inline void file_entry(struct rs_wheel *wheel, struct rouse_timer_entry *entry)
{
    unsigned index = deadline_slot(wheel, entry->filed_ns);
    struct rs_wheel_slot *slot = &wheel->slots[index];
    struct rouse_timer_entry *last = slot->last;

    entry->slot = index + 1;
    entry->prev = last;
    entry->ahead = 0;
    slot->last = entry;
    if (last == NULL) {
        entry->next = entry;
        slot->lag = entry;
        slot->lag_distance = 1;
        slot->earliest_ns = entry->filed_ns;
        slot_set_occupied(wheel, index);
    } else {
        entry->next = last->next;
        last->next = entry;
        slot_tell_ahead(slot, entry);
        if (entry->filed_ns < slot->earliest_ns) slot->earliest_ns = entry->filed_ns;
    }
}

void rs_wheel_insert(struct rs_wheel *wheel, struct rouse_timer_entry *entry, uint64_t deadline_ns)
{
    rouse_assert(entry->slot == 0, "an entry is filed once; remove it first");
    entry->filed_ns = deadline_ns;
    file_entry(wheel, entry);
    wheel->count++;
}

void rs_wheel_remove(struct rs_wheel *wheel, struct rouse_timer_entry *entry)
{
    rouse_assert(entry->slot != 0, "only an entry that is in the wheel can be removed");

    unsigned index = entry->slot - 1;
    struct rs_wheel_slot *slot = &wheel->slots[index];
    struct rouse_timer_entry *next = entry->next;
    struct rouse_timer_entry *prev = entry->prev;

    entry->slot = 0;
    wheel->count--;
    if (next == entry) {
        slot_set_empty(wheel, index);
        return;
    }
    if (slot->lag == entry) slot->lag = next;
    if (prev == NULL) {
        slot->last->next = next;
        next->prev = NULL;
    } else if (slot->last == entry) {
        prev->next = next;
        slot->last = prev;
    } else {
        prev->next = next;
        next->prev = prev;
    }
}

// The hint holds half an address; the other half is taken from the entry itself. Where that is
// wrong, or the entry has left the slot since, some other line is prefetched, in vain.
static void prefetch_ahead(const struct rouse_timer_entry *entry)
{
    uintptr_t high = (uintptr_t)entry & ~(uintptr_t)UINT32_MAX;

    __builtin_prefetch((const void *)(high | entry->ahead), 1);
}

// Moves the clock to a time within the slot, which is the first one. By that, each of its entries
// belongs to a lower level.
static void spread_slot(struct rs_wheel *wheel, unsigned slot, uint64_t reached_ns)
{
    struct rouse_timer_entry *last = wheel->slots[slot].last;
    struct rouse_timer_entry *next = last->next;
    struct rouse_timer_entry *entry;

    wheel->reached_ns = reached_ns;
    slot_set_empty(wheel, slot);
    do {
        entry = next;
        next = entry->next;
        prefetch_ahead(entry);
        file_entry(wheel, entry);
    } while (entry != last);
}

static bool slot_is_due(const struct rs_wheel *wheel, unsigned slot, uint64_t now_ns)
{
    return wheel->slots[slot].earliest_ns <= now_ns;
}

// The one entry of the slot that is the first to come due, if it can be told: entries of a slot of
// level 0 are equal, and a lone entry has no rival. Else NULL.
static struct rouse_timer_entry *slot_sure_first(const struct rs_wheel *wheel, unsigned slot)
{
    struct rouse_timer_entry *first = slot_first(wheel, slot);

    return slot < RS_WHEEL_LEVEL_SLOTS || first->next == first ? first : NULL;
}

// Nothing is due by `now_ns`: follows the clock there. If that leads into the first slot, its
// entries are spread early, so that deadlines filed from here on stand on low levels, few to a
// slot, and rs_wheel_next() stays sharp.
static void follow_clock(struct rs_wheel *wheel, uint64_t now_ns)
{
    if (wheel->levels != 0) {
        unsigned slot = first_slot(wheel);
        uint64_t difference = wheel->slots[slot].earliest_ns ^ now_ns;

        if (difference >> (slot_level(slot) * RS_WHEEL_DIGIT_BITS) == 0) {
            spread_slot(wheel, slot, now_ns);
            return;
        }
    }
    wheel->reached_ns = now_ns;
}

struct rouse_timer_entry *rs_wheel_pop(struct rs_wheel *wheel, uint64_t now_ns)
{
    if (now_ns < wheel->reached_ns) now_ns = wheel->reached_ns;

    while (wheel->levels != 0) {
        unsigned slot = first_slot(wheel);

        if (!slot_is_due(wheel, slot, now_ns)) break;

        struct rouse_timer_entry *entry = slot_sure_first(wheel, slot);

        if (entry == NULL) {
            spread_slot(wheel, slot, wheel->slots[slot].earliest_ns);
        } else if (entry->filed_ns <= now_ns) {
            rs_wheel_remove(wheel, entry);
            if (entry->filed_ns > wheel->reached_ns) wheel->reached_ns = entry->filed_ns;
            return entry;
        } else {
            // Earlier entries of the slot were removed.
            wheel->slots[slot].earliest_ns = entry->filed_ns;
        }
    }
    follow_clock(wheel, now_ns);
    return NULL;
}

uint64_t rs_wheel_next(const struct rs_wheel *wheel)
{
    return wheel->levels == 0 ? ROUSE_NEVER : wheel->slots[first_slot(wheel)].earliest_ns;
}

struct rouse_timer_entry *rs_wheel_take_any(struct rs_wheel *wheel)
{
    if (wheel->levels == 0) return NULL;

    struct rouse_timer_entry *entry = slot_first(wheel, first_slot(wheel));

    rs_wheel_remove(wheel, entry);
    return entry;
}
