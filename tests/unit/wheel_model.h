// SPDX-License-Identifier: MIT
//
// A wheel beside its model, an array sorted by due time and then by insertion. Each step does the
// same to both, compares all that can be seen from outside, and returns false at the first
// difference. Shared by the unit test and the fuzzer.

#ifndef TESTS_UNIT_WHEEL_MODEL_H
#define TESTS_UNIT_WHEEL_MODEL_H

#include <rouse/clock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io/wheel.h"

enum { WHEEL_MODEL_ENTRIES = 200 };

struct wheel_model_item {
    uint64_t rank_ns;  // the deadline, or when the wheel had reached it already, that time
    struct rouse_timer_entry *entry;
};

struct wheel_model {
    struct rs_wheel wheel;
    struct rouse_timer_entry entries[WHEEL_MODEL_ENTRIES];
    struct wheel_model_item sorted[WHEEL_MODEL_ENTRIES];
    size_t count;
    uint64_t reached_ns;
    bool removed;  // something was, so rs_wheel_next() may be a bound only
};

static inline void wheel_model_init(struct wheel_model *m, uint64_t now_ns)
{
    memset(m, 0, sizeof *m);
    m->reached_ns = now_ns;
    rs_wheel_init(&m->wheel, now_ns);
}

static inline uint64_t wheel_model_earliest(const struct wheel_model *m)
{
    uint64_t earliest = ROUSE_NEVER;

    for (size_t i = 0; i < m->count; i++) {
        if (m->sorted[i].entry->filed_ns < earliest) earliest = m->sorted[i].entry->filed_ns;
    }
    return earliest;
}

static inline bool wheel_model_agrees(const struct wheel_model *m)
{
    uint64_t earliest = wheel_model_earliest(m);
    uint64_t next = rs_wheel_next(&m->wheel);

    if (rs_wheel_count(&m->wheel) != m->count) return false;
    if (m->count == 0 && next != ROUSE_NEVER) return false;
    // Among overdue entries it need not tell: all are due.
    if (m->removed || earliest <= m->reached_ns) return next <= earliest;
    return next == earliest;
}

static inline bool wheel_model_insert(struct wheel_model *m, size_t index, uint64_t deadline_ns)
{
    struct rouse_timer_entry *entry = &m->entries[index];
    uint64_t rank = deadline_ns > m->reached_ns ? deadline_ns : m->reached_ns;
    size_t at = m->count;

    if (rs_wheel_holds(entry)) return false;
    while (at > 0 && m->sorted[at - 1].rank_ns > rank) {
        at--;
    }
    memmove(&m->sorted[at + 1], &m->sorted[at], (m->count - at) * sizeof m->sorted[0]);
    m->sorted[at] = (struct wheel_model_item){.rank_ns = rank, .entry = entry};
    m->count++;

    rs_wheel_insert(&m->wheel, entry, deadline_ns);
    return rs_wheel_holds(entry) && entry->filed_ns == deadline_ns && wheel_model_agrees(m);
}

// False if the model does not know the entry.
static inline bool wheel_model_forget(struct wheel_model *m, const struct rouse_timer_entry *entry)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->sorted[i].entry != entry) continue;
        m->count--;
        memmove(&m->sorted[i], &m->sorted[i + 1], (m->count - i) * sizeof m->sorted[0]);
        return true;
    }
    return false;
}

static inline bool wheel_model_remove(struct wheel_model *m, size_t index)
{
    struct rouse_timer_entry *entry = &m->entries[index];

    if (!wheel_model_forget(m, entry)) return false;
    m->removed = true;
    rs_wheel_remove(&m->wheel, entry);
    return !rs_wheel_holds(entry) && wheel_model_agrees(m);
}

// One pop. Sets `popped` to what it returned.
static inline bool wheel_model_pop(struct wheel_model *m, uint64_t now_ns,
                                   struct rouse_timer_entry **popped)
{
    uint64_t now = now_ns > m->reached_ns ? now_ns : m->reached_ns;
    struct rouse_timer_entry *entry = rs_wheel_pop(&m->wheel, now_ns);

    *popped = entry;
    if (m->count == 0 || m->sorted[0].rank_ns > now) {
        m->reached_ns = now;
        // A turn without an expiry leaves nothing due, or its driver would turn for ever.
        return entry == NULL && (m->count == 0 || rs_wheel_next(&m->wheel) > now) &&
               wheel_model_agrees(m);
    }
    if (entry != m->sorted[0].entry || rs_wheel_holds(entry)) return false;
    m->reached_ns = m->sorted[0].rank_ns;
    return wheel_model_forget(m, entry) && wheel_model_agrees(m);
}

static inline bool wheel_model_take_any(struct wheel_model *m)
{
    struct rouse_timer_entry *entry = rs_wheel_take_any(&m->wheel);

    if (entry == NULL) return m->count == 0;
    m->removed = true;
    return !rs_wheel_holds(entry) && wheel_model_forget(m, entry) && wheel_model_agrees(m);
}

// Changes nothing that can be seen.
static inline bool wheel_model_prepare(struct wheel_model *m, unsigned entries, bool is_busy)
{
    uint64_t next = rs_wheel_next(&m->wheel);

    rs_wheel_prepare(&m->wheel, m->reached_ns, entries, is_busy);
    return rs_wheel_next(&m->wheel) == next && wheel_model_agrees(m);
}

// Checks one slot's list, bitmap bit and bound; adds its length to `count`.
static inline bool wheel_slot_is_sound(const struct rs_wheel *wheel, unsigned number, size_t *count)
{
    unsigned level = number % RS_WHEEL_BANK_SLOTS / RS_WHEEL_LEVEL_SLOTS;
    const struct rs_wheel_slot *slot = &wheel->slots[number];
    bool marked =
        (wheel->occupied[number / RS_WHEEL_BANK_SLOTS][level] >> (number % RS_WHEEL_LEVEL_SLOTS) &
         1) != 0;
    bool has_others = wheel->ahead == number + 1 && wheel->ahead_levels != 0;
    size_t length = 0;
    bool has_lag = false;

    if (marked != (slot->last != NULL || has_others)) return false;
    if (slot->last == NULL) return slot->count == 0;
    for (const struct rouse_timer_entry *prev = NULL, *entry = slot->last->next;;
         entry = entry->next) {
        ++*count;
        length++;
        if (entry == slot->lag) has_lag = true;
        if (entry->slot != number + 1 || entry->prev != prev) return false;
        if (entry->filed_ns < slot->earliest_ns) return false;
        if (entry == slot->last) return has_lag && length == slot->count;
        prev = entry;
    }
}

// Every list, bitmap and count inside the wheel fits the others.
static inline bool wheel_is_sound(const struct rs_wheel *wheel)
{
    unsigned banks = wheel->has_other ? 2 : 1;
    size_t count = 0;

    for (unsigned slot = 0; slot < banks * RS_WHEEL_BANK_SLOTS; slot++) {
        if (!wheel_slot_is_sound(wheel, slot, &count)) return false;
    }
    for (unsigned level = 0; level < RS_WHEEL_LEVELS; level++) {
        unsigned bank = wheel->banks >> level & 1;
        bool other = banks == 2 && wheel->occupied[1 - bank][level] != 0;

        if ((wheel->levels >> level & 1) != (wheel->occupied[bank][level] != 0)) return false;
        if ((wheel->ahead_levels >> level & 1) != other) return false;
    }
    if (wheel->ahead == 0 && wheel->ahead_levels != 0) return false;
    return count == wheel->count;
}

#endif
