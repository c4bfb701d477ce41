// SPDX-License-Identifier: MIT
//
// The hierarchical timer wheel of one driver: exact to the nanosecond, intrusive, without
// allocation. Not thread-safe: the driver's lock guards it, and every entry filed in it.
//
// Costs: insert, remove and next are O(1) in the worst case. A pop moves the entries of one slot
// down the levels at a time; each entry moves at most once per level in its life, ten times for a
// deadline centuries away and once per factor of 64 otherwise. So pops are amortized O(1), and the
// worst single pop is linear in the number of entries whose deadlines fall into one slot (16.8 ms
// wide for deadlines up to a second away, 1.07 s up to a minute, 69 s up to an hour). A slot that
// holds many is therefore emptied ahead of its time, by and by: see rs_wheel_prepare().

#ifndef RS_IO_WHEEL_H
#define RS_IO_WHEEL_H

#include <rouse/timer_entry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RS_WHEEL_DIGIT_BITS = 6,                          // a level is one digit of the deadline
    RS_WHEEL_LEVEL_SLOTS = 1 << RS_WHEEL_DIGIT_BITS,  // one bit each in the level's bitmap
    RS_WHEEL_LEVELS = (64 + RS_WHEEL_DIGIT_BITS - 1) / RS_WHEEL_DIGIT_BITS,
    RS_WHEEL_BANK_SLOTS = RS_WHEEL_LEVELS * RS_WHEEL_LEVEL_SLOTS,
    // So many entries of a slot, which would take 60 us, are moved before it is due.
    RS_WHEEL_AHEAD_MIN = 2048,
    RS_WHEEL_MOVE_NS = 32,  // what one of them takes, more or less
    // That begins so many times as long before as it will take; the second, for who has other work.
    RS_WHEEL_LEAD = 4,
    RS_WHEEL_LEAD_BUSY = 2,
};

// Entries in order of insertion. `last->next` is the first; the first one's `prev` is NULL.
struct rs_wheel_slot {
    struct rouse_timer_entry *last;  // NULL when empty
    struct rouse_timer_entry *lag;   // some entries before the last; it learns what to prefetch
    uint64_t earliest_ns;            // no entry of the slot is filed earlier
    uint32_t lag_distance;           // how far `lag` is behind; more or less, after removals
    uint32_t count;
};

struct rs_wheel {
    uint64_t reached_ns;  // the clock as far as the wheel has followed it
    uint32_t levels;      // bit l: some slot of level l is occupied, in the bank in use
    size_t count;
    uint64_t ahead_ns;      // where the slot that is emptied ahead of its time begins
    uint32_t ahead;         // 1 + the index of that slot; 0: there is none
    uint32_t ahead_levels;  // bit l: some slot of level l is occupied, in the other bank
    uint32_t ahead_min;     // RS_WHEEL_AHEAD_MIN, unless a test says otherwise
    uint32_t banks;         // bit l: the bank that level l uses
    bool has_other;         // the second bank has been cleared
    uint64_t occupied[2][RS_WHEEL_LEVELS];  // bit s: slot s of the level is occupied, in a bank
    struct rs_wheel_slot slots[2 * RS_WHEEL_BANK_SLOTS];  // bank by bank, level by level
};

// An empty wheel. Its storage may move until the first insert.
void rs_wheel_init(struct rs_wheel *wheel, uint64_t now_ns);

// Files `entry`, which is in no wheel. It stays in place until popped, taken or removed. O(1).
void rs_wheel_insert(struct rs_wheel *wheel, struct rouse_timer_entry *entry, uint64_t deadline_ns);

// Unlinks `entry`, which is in this wheel. O(1).
void rs_wheel_remove(struct rs_wheel *wheel, struct rouse_timer_entry *entry);

static inline bool rs_wheel_holds(const struct rouse_timer_entry *entry)
{
    return entry->slot != 0;
}

// Removes and returns an entry filed for `now_ns` or before, never one filed later; NULL if there
// is none. Earliest deadline first; equal deadlines in order of insertion. A deadline that the
// wheel had already reached when it was filed ranks as due at that moment.
//
// `now_ns` may be behind that of an earlier call (another thread read the clock first): it then
// counts as the earlier one.
struct rouse_timer_entry *rs_wheel_pop(struct rs_wheel *wheel, uint64_t now_ns);

// A time that no entry's deadline precedes; ROUSE_NEVER when empty. It is the earliest deadline
// itself unless that entry was removed from a slot that holds others: then it may be earlier,
// which costs one needless turn, since the pop of that turn makes it exact again. O(1).
uint64_t rs_wheel_next(const struct rs_wheel *wheel);

// How many entries come due with the first: those of its slot, if that is narrow enough (16.8 ms)
// for it to be told by that. A hint. O(1).
uint32_t rs_wheel_burst(const struct rs_wheel *wheel);

// Moves at most `entries` entries of a slot that holds many, and whose time comes next, to where
// they will stand when it has come. Not yet, if something else waits for the caller, `is_busy`, and
// there is time. Nothing that can be seen from outside changes but what a later pop costs.
void rs_wheel_prepare(struct rs_wheel *wheel, uint64_t now_ns, unsigned entries, bool is_busy);

// When rs_wheel_prepare(), for who is not busy, or a pop of nothing, has work to do; ROUSE_NEVER if
// there is none. O(1).
uint64_t rs_wheel_prepare_at(const struct rs_wheel *wheel);

static inline size_t rs_wheel_count(const struct rs_wheel *wheel)
{
    return wheel->count;
}

// Unlinks and returns some entry, NULL when empty: for a driver that goes away.
struct rouse_timer_entry *rs_wheel_take_any(struct rs_wheel *wheel);

#endif
