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
//
// When the clock enters a slot, the entries of that slot are spread over the levels below, and a
// million of them take 20 ms. So a slot that holds many is emptied ahead of its time, a few entries
// at a call. Each level has two banks of slots, of which one is in use. The entries go to the other
// banks of the levels below, to where they will stand when `reached_ns` is the beginning of the
// slot, `ahead_ns`. Then:
//
// 5. The slot ahead counts as occupied, and its `earliest_ns` holds, as long as there are entries
//    in it or in the other banks, which hold nothing else. There is one such slot at a time.
// 6. Entries leave its list in order, and what is filed for it goes to the end of the list as long
//    as there is one, so that equal deadlines stay in order.
// 7. When the clock enters it, the levels below are empty: what is left of the list is moved, and
//    the banks change places.

#include "io/wheel.h"

#include <limits.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <string.h>

#include "base/cpu.h"

// How many entries ahead a walk along a slot prefetches: enough to hide a miss of the last cache
// behind the work on the others (measured: 4 is too few, 16 no better).
enum { PREFETCH_DISTANCE = 8 };

// Slots are numbered through both banks.
static unsigned slot_level(unsigned slot)
{
    return slot % RS_WHEEL_BANK_SLOTS / RS_WHEEL_LEVEL_SLOTS;
}

static unsigned bank_of(const struct rs_wheel *wheel, unsigned level)
{
    return wheel->banks >> level & 1;
}

static unsigned slot_number(unsigned bank, unsigned level, unsigned digit)
{
    return bank * RS_WHEEL_BANK_SLOTS + level * RS_WHEEL_LEVEL_SLOTS + digit;
}

static bool is_ahead(const struct rs_wheel *wheel, unsigned slot)
{
    return wheel->ahead == slot + 1;
}

// Of a slot whose list is not empty.
static struct rouse_timer_entry *slot_first(const struct rs_wheel *wheel, unsigned slot)
{
    return wheel->slots[slot].last->next;
}

// The first slot of an occupied level.
static unsigned level_first_slot(const struct rs_wheel *wheel, unsigned level)
{
    unsigned bank = bank_of(wheel, level);
    uint64_t occupied = wheel->occupied[bank][level];

    return slot_number(bank, level, (unsigned)__builtin_ctzll(occupied));
}

// The slot that comes due first. Some slot must be occupied.
static unsigned first_slot(const struct rs_wheel *wheel)
{
    return level_first_slot(wheel, (unsigned)__builtin_ctz(wheel->levels));
}

// The bits of the levels that are occupied in the bank of this slot.
static uint32_t *levels_of(struct rs_wheel *wheel, unsigned slot)
{
    bool in_use = slot / RS_WHEEL_BANK_SLOTS == bank_of(wheel, slot_level(slot));

    return in_use ? &wheel->levels : &wheel->ahead_levels;
}

static void slot_set_occupied(struct rs_wheel *wheel, unsigned slot)
{
    unsigned level = slot_level(slot);

    wheel->occupied[slot / RS_WHEEL_BANK_SLOTS][level] |=
        UINT64_C(1) << (slot % RS_WHEEL_LEVEL_SLOTS);
    *levels_of(wheel, slot) |= UINT32_C(1) << level;
}

static void slot_set_free(struct rs_wheel *wheel, unsigned slot)
{
    unsigned level = slot_level(slot);
    uint64_t *occupied = &wheel->occupied[slot / RS_WHEEL_BANK_SLOTS][level];

    *occupied &= ~(UINT64_C(1) << (slot % RS_WHEEL_LEVEL_SLOTS));
    if (*occupied == 0) *levels_of(wheel, slot) &= ~(UINT32_C(1) << level);
}

// The list of the slot has become empty.
static void slot_set_empty(struct rs_wheel *wheel, unsigned slot)
{
    wheel->slots[slot].last = NULL;
    wheel->slots[slot].count = 0;
    if (!is_ahead(wheel, slot)) slot_set_free(wheel, slot);
    // The slot ahead is free when both it and the other banks are (5).
    if (wheel->ahead == 0 || wheel->ahead_levels != 0) return;
    if (wheel->slots[wheel->ahead - 1].last != NULL) return;
    slot_set_free(wheel, wheel->ahead - 1);
    wheel->ahead = 0;
}

static void bank_clear(struct rs_wheel *wheel, unsigned bank)
{
    memset(&wheel->slots[bank * RS_WHEEL_BANK_SLOTS], 0,
           RS_WHEEL_BANK_SLOTS * sizeof wheel->slots[0]);
}

void rs_wheel_init(struct rs_wheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, offsetof(struct rs_wheel, slots));
    bank_clear(wheel, 0);
    wheel->reached_ns = now_ns;
    wheel->ahead_min = RS_WHEEL_AHEAD_MIN;
}

// Where a deadline belongs when the clock is at `reached_ns`: level and digit.
static unsigned deadline_place(uint64_t reached_ns, uint64_t deadline_ns, unsigned *level)
{
    uint64_t position = deadline_ns > reached_ns ? deadline_ns : reached_ns;
    uint64_t difference = (position ^ reached_ns) | 1;

    // A division by a constant this small is a multiplication and a shift.
    *level = (63U - (unsigned)__builtin_clzll(difference)) / RS_WHEEL_DIGIT_BITS;
    return (unsigned)(position >> (*level * RS_WHEEL_DIGIT_BITS)) % RS_WHEEL_LEVEL_SLOTS;
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

// Appends the entry to the slot. Touches only entries that were appended not long ago.
static inline void slot_append(struct rs_wheel *wheel, unsigned index,
                               struct rouse_timer_entry *entry)
{
    struct rs_wheel_slot *slot = &wheel->slots[index];
    struct rouse_timer_entry *last = slot->last;

    entry->slot = index + 1;
    entry->prev = last;
    entry->ahead = 0;
    slot->last = entry;
    slot->count++;
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

// Files an entry of the slot ahead where it will stand when that time has come.
static void file_ahead(struct rs_wheel *wheel, struct rouse_timer_entry *entry)
{
    unsigned level;
    unsigned digit = deadline_place(wheel->ahead_ns, entry->filed_ns, &level);

    slot_append(wheel, slot_number(1 - bank_of(wheel, level), level, digit), entry);
}

static inline void file_entry(struct rs_wheel *wheel, struct rouse_timer_entry *entry)
{
    unsigned level;
    unsigned digit = deadline_place(wheel->reached_ns, entry->filed_ns, &level);
    unsigned index = slot_number(bank_of(wheel, level), level, digit);
    struct rs_wheel_slot *slot = &wheel->slots[index];

    if (ROUSE_UNLIKELY(is_ahead(wheel, index)) && slot->last == NULL) {
        if (entry->filed_ns < slot->earliest_ns) slot->earliest_ns = entry->filed_ns;
        file_ahead(wheel, entry);
    } else {
        slot_append(wheel, index, entry);
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
    slot->count--;
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
    // What the entry is part of, and will be wanted when it is due, ends in the next line.
    __builtin_prefetch((const void *)((high | entry->ahead) + RS_CACHE_LINE), 1);
}

// Moves entries of the slot ahead to the other banks, until `entries` are moved or it is empty.
static void move_ahead(struct rs_wheel *wheel, unsigned entries)
{
    unsigned slot = wheel->ahead - 1;
    struct rs_wheel_slot *from = &wheel->slots[slot];
    struct rouse_timer_entry *last = from->last;
    struct rouse_timer_entry *entry = last != NULL ? last->next : NULL;

    for (; entry != NULL && entries > 0; entries--) {
        struct rouse_timer_entry *next = entry != last ? entry->next : NULL;

        prefetch_ahead(entry);
        if (from->lag == entry) from->lag = next;
        from->count--;
        file_ahead(wheel, entry);
        entry = next;
    }
    if (entry != NULL) {
        last->next = entry;
        entry->prev = NULL;
    } else if (last != NULL) {
        slot_set_empty(wheel, slot);
    }
}

// The clock enters the slot ahead (7).
static void enter_ahead(struct rs_wheel *wheel)
{
    unsigned slot = wheel->ahead - 1;

    move_ahead(wheel, UINT_MAX);
    slot_set_free(wheel, slot);
    wheel->banks ^= (UINT32_C(1) << slot_level(slot)) - 1;
    wheel->levels |= wheel->ahead_levels;
    wheel->ahead_levels = 0;
    wheel->ahead = 0;
    wheel->reached_ns = wheel->ahead_ns;
}

// Moves the clock to a time within the slot, which is the first one; or, if that is the slot ahead,
// to its beginning. By that, each of its entries belongs to a lower level.
static void spread_slot(struct rs_wheel *wheel, unsigned slot, uint64_t reached_ns)
{
    if (is_ahead(wheel, slot)) {
        enter_ahead(wheel);
        return;
    }

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
    if (is_ahead(wheel, slot)) return NULL;

    struct rouse_timer_entry *first = slot_first(wheel, slot);

    return slot_level(slot) == 0 || first->next == first ? first : NULL;
}

// Nothing is due by `now_ns`: follows the clock there. If that leads into the first slot, its
// entries are spread early, so that deadlines filed from here on stand on low levels, few to a
// slot, and rs_wheel_next() stays sharp.
static void follow_clock(struct rs_wheel *wheel, uint64_t now_ns)
{
    while (wheel->levels != 0) {
        unsigned slot = first_slot(wheel);
        uint64_t difference = wheel->slots[slot].earliest_ns ^ now_ns;
        bool entered = is_ahead(wheel, slot);

        if (difference >> (slot_level(slot) * RS_WHEEL_DIGIT_BITS) != 0) break;
        spread_slot(wheel, slot, now_ns);
        if (!entered) return;
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

// A slot of this level and those below is narrow.
enum { BURST_LEVEL = 4 };

uint32_t rs_wheel_burst(const struct rs_wheel *wheel)
{
    if (wheel->levels == 0) return 0;
    unsigned slot = first_slot(wheel);

    return slot_level(slot) <= BURST_LEVEL ? wheel->slots[slot].count : 0;
}

// ---- Ahead of time ----

// When the slot begins. Not of the uppermost level, whose slots are centuries wide.
static uint64_t slot_begin(const struct rs_wheel *wheel, unsigned slot)
{
    unsigned shift = slot_level(slot) * RS_WHEEL_DIGIT_BITS;
    uint64_t above = wheel->reached_ns >> shift >> RS_WHEEL_DIGIT_BITS << RS_WHEEL_DIGIT_BITS;

    return (above | slot % RS_WHEEL_LEVEL_SLOTS) << shift;
}

// `lead` times as long before that as what is in its list takes to move. There is one slot ahead at
// a time, which until it is entered keeps the lower ones from being it, so this is not early; but
// not before the slot in front of it begins.
static uint64_t slot_before(const struct rs_wheel *wheel, unsigned slot, unsigned lead)
{
    uint64_t width = UINT64_C(1) << (slot_level(slot) * RS_WHEEL_DIGIT_BITS);
    uint64_t time = (uint64_t)wheel->slots[slot].count * RS_WHEEL_MOVE_NS * lead;

    return slot_begin(wheel, slot) - (time < width ? time : width);
}

static uint64_t slot_prepare_at(const struct rs_wheel *wheel, unsigned slot)
{
    return slot_before(wheel, slot, RS_WHEEL_LEAD);
}

// Of the slots that hold many and are the first of their level, the one whose preparation begins
// soonest; UINT_MAX if there is none. A later slot has time until it is the first.
static unsigned crowded_slot(const struct rs_wheel *wheel)
{
    unsigned soonest = UINT_MAX;

    for (uint32_t levels = wheel->levels & ~UINT32_C(1); levels != 0; levels &= levels - 1) {
        unsigned level = (unsigned)__builtin_ctz(levels);

        if (level == RS_WHEEL_LEVELS - 1) break;

        unsigned slot = level_first_slot(wheel, level);

        if (wheel->slots[slot].count < wheel->ahead_min) continue;
        if (soonest == UINT_MAX || slot_prepare_at(wheel, slot) < slot_prepare_at(wheel, soonest)) {
            soonest = slot;
        }
    }
    return soonest;
}

uint64_t rs_wheel_prepare_at(const struct rs_wheel *wheel)
{
    if (wheel->ahead != 0) {
        // When its list is empty, it is entered at its beginning, and the next one may be prepared.
        return wheel->slots[wheel->ahead - 1].last != NULL ? 0 : wheel->ahead_ns;
    }
    unsigned slot = crowded_slot(wheel);

    return slot == UINT_MAX ? ROUSE_NEVER : slot_prepare_at(wheel, slot);
}

static void begin_ahead(struct rs_wheel *wheel, unsigned slot)
{
    if (!wheel->has_other) bank_clear(wheel, 1);
    wheel->has_other = true;
    wheel->ahead = slot + 1;
    wheel->ahead_ns = slot_begin(wheel, slot);
}

void rs_wheel_prepare(struct rs_wheel *wheel, uint64_t now_ns, unsigned entries, bool is_busy)
{
    bool has_begun = wheel->ahead != 0;
    unsigned slot = has_begun ? wheel->ahead - 1 : crowded_slot(wheel);

    if (slot == UINT_MAX) return;
    if (!has_begun && now_ns < slot_prepare_at(wheel, slot)) return;
    if (is_busy && now_ns < slot_before(wheel, slot, RS_WHEEL_LEAD_BUSY)) return;
    if (!has_begun) begin_ahead(wheel, slot);
    move_ahead(wheel, entries);
}

struct rouse_timer_entry *rs_wheel_take_any(struct rs_wheel *wheel)
{
    if (wheel->levels == 0) return NULL;

    unsigned slot = first_slot(wheel);

    if (wheel->slots[slot].last == NULL) {
        // All of the slot ahead stand in the other banks.
        unsigned level = (unsigned)__builtin_ctz(wheel->ahead_levels);
        unsigned bank = 1 - bank_of(wheel, level);
        uint64_t occupied = wheel->occupied[bank][level];

        slot = slot_number(bank, level, (unsigned)__builtin_ctzll(occupied));
    }

    struct rouse_timer_entry *entry = slot_first(wheel, slot);

    rs_wheel_remove(wheel, entry);
    return entry;
}
