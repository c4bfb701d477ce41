// SPDX-License-Identifier: MIT
//
// The timer wheel, against a sorted array: random steps from many seeds, with every kind of
// deadline and clock jump, compared after each step; and each promise of wheel.h by itself.

#include "io/wheel.h"

#include <rouse/clock.h>
#include <stdlib.h>

#include "claim.h"
#include "wheel_model.h"

enum { SEEDS = 2000, STEPS_PER_SEED = 500 };

static struct wheel_model model;

// From next to nothing to all of time: a random number of random bits.
static uint64_t random_span(uint64_t *random)
{
    uint64_t bits = claim_random(random) % 65;

    return bits == 0 ? 0 : claim_random(random) >> (64 - bits);
}

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t random_deadline(uint64_t *random, uint64_t now_ns)
{
    switch (claim_random(random) % 10) {
    case 0:
        return now_ns;
    case 1:
        return saturating_add(now_ns, 1);
    case 2:
        return random_span(random);  // often past
    case 3:
        return ROUSE_NEVER - claim_random(random) % 3;
    case 4:
        return now_ns / 4096 * 4096 + claim_random(random) % 8 * 1024;  // often equal
    case 5:
    case 6:
        return saturating_add(now_ns, claim_random(random) % ROUSE_NS_PER_MS);
    default:
        return saturating_add(now_ns, random_span(random));
    }
}

static uint64_t random_clock(uint64_t *random, uint64_t now_ns)
{
    uint64_t next = rs_wheel_next(&model.wheel);

    switch (claim_random(random) % 16) {
    case 0:
        return now_ns == 0 ? 0 : now_ns - 1;  // another thread read the clock first
    case 1:
    case 2:
    case 3:
        return now_ns;
    case 4:
    case 5:
        return next > now_ns && next != ROUSE_NEVER ? next - 1 : now_ns;
    case 6:
    case 7:
        return next > now_ns && next != ROUSE_NEVER ? next : now_ns;
    case 8:
        return saturating_add(now_ns, random_span(random) >> 12);
    default:
        return saturating_add(now_ns, claim_random(random) % (4 * ROUSE_NS_PER_MS));
    }
}

static bool random_step(uint64_t *random, uint64_t *now_ns, bool removals)
{
    size_t index = claim_random(random) % WHEEL_MODEL_ENTRIES;
    struct rouse_timer_entry *popped;

    if (claim_random(random) % 4 == 0) {
        return wheel_model_prepare(&model, (unsigned)(claim_random(random) % 8), index % 4 == 0);
    }
    if (claim_random(random) % 3 == 0) {
        *now_ns = random_clock(random, *now_ns);
        return wheel_model_pop(&model, *now_ns, &popped);
    }
    if (!rs_wheel_holds(&model.entries[index])) {
        return wheel_model_insert(&model, index, random_deadline(random, *now_ns));
    }
    return removals ? wheel_model_remove(&model, index) : wheel_model_pop(&model, *now_ns, &popped);
}

static bool drain_by_next(uint64_t now_ns)
{
    struct rouse_timer_entry *popped;

    while (model.count > 0) {
        uint64_t next = rs_wheel_next(&model.wheel);

        if (next > now_ns) now_ns = next;
        if (!wheel_model_pop(&model, now_ns, &popped)) return false;
    }
    return true;
}

static bool random_run(uint64_t seed, bool removals)
{
    uint64_t random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t now_ns = random_span(&random);
    bool good = true;

    wheel_model_init(&model, now_ns);
    // Slots are crowded, and emptied ahead of their time, from so many entries on.
    model.wheel.ahead_min = 1 + (uint32_t)(seed % 5);
    for (int step = 0; good && step < STEPS_PER_SEED; step++) {
        good = random_step(&random, &now_ns, removals) &&
               (step % 32 != 0 || wheel_is_sound(&model.wheel));
    }
    good = good && drain_by_next(now_ns);
    if (!good) printf("# seed %llu differs\n", (unsigned long long)seed);
    return good;
}

static bool random_runs(uint64_t first_seed, bool removals)
{
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        if (!random_run(seed, removals)) return false;
    }
    return true;
}

static bool never_early_never_late(void)
{
    static const uint64_t spans[] = {
        1, 63, 64, 65, 4095, 4096, UINT64_C(1) << 20, UINT64_C(1) << 42};
    struct rs_wheel wheel;
    struct rouse_timer_entry entry = {0};

    rs_wheel_init(&wheel, 12345);
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        uint64_t deadline = wheel.reached_ns + spans[i];

        rs_wheel_insert(&wheel, &entry, deadline);
        if (rs_wheel_next(&wheel) != deadline) return false;
        if (rs_wheel_pop(&wheel, deadline - 1) != NULL) return false;
        if (rs_wheel_pop(&wheel, deadline) != &entry) return false;
    }
    return true;
}

static bool equal_deadlines_keep_their_order(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry entries[100] = {0};
    const uint64_t deadline = 10 * ROUSE_NS_PER_S;

    rs_wheel_init(&wheel, 0);
    for (int i = 0; i < 100; i++) {
        rs_wheel_insert(&wheel, &entries[i], deadline);
        // The clock comes nearer meanwhile, so they start out on many levels.
        if (rs_wheel_pop(&wheel, deadline - (deadline >> (i / 3))) != NULL) return false;
    }
    for (int i = 0; i < 100; i++) {
        if (rs_wheel_pop(&wheel, deadline) != &entries[i]) return false;
    }
    return rs_wheel_count(&wheel) == 0;
}

// Pops one of each pair and removes the other, in between.
static bool entries_may_go_while_others_expire(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry entries[1000] = {0};
    size_t popped = 0;

    rs_wheel_init(&wheel, 0);
    for (size_t i = 0; i < 1000; i++) {
        rs_wheel_insert(&wheel, &entries[i], 5000 + i / 2);
    }
    for (size_t i = 0; i < 1000; i += 2) {
        if (rs_wheel_pop(&wheel, ROUSE_NS_PER_S) != &entries[i]) return false;
        rs_wheel_remove(&wheel, &entries[i + 1]);
        popped++;
    }
    return popped == 500 && rs_wheel_pop(&wheel, ROUSE_NS_PER_S) == NULL &&
           rs_wheel_next(&wheel) == ROUSE_NEVER;
}

static bool overdue_entries_come_first_in_order_of_insertion(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry entries[4] = {0};

    rs_wheel_init(&wheel, 1000);
    rs_wheel_insert(&wheel, &entries[3], 1001);
    rs_wheel_insert(&wheel, &entries[0], 500);
    rs_wheel_insert(&wheel, &entries[1], 0);
    rs_wheel_insert(&wheel, &entries[2], 1000);
    if (rs_wheel_next(&wheel) != 0) return false;
    for (int i = 0; i < 3; i++) {
        if (rs_wheel_pop(&wheel, 1000) != &entries[i]) return false;
    }
    return rs_wheel_pop(&wheel, 1000) == NULL && rs_wheel_pop(&wheel, 1001) == &entries[3];
}

static bool the_end_of_time_works(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry entries[3] = {0};

    rs_wheel_init(&wheel, 0);
    rs_wheel_insert(&wheel, &entries[2], ROUSE_NEVER);
    rs_wheel_insert(&wheel, &entries[1], ROUSE_NEVER - 1);
    rs_wheel_insert(&wheel, &entries[0], 0);
    if (rs_wheel_pop(&wheel, 0) != &entries[0]) return false;
    if (rs_wheel_pop(&wheel, ROUSE_NEVER - 2) != NULL) return false;
    if (rs_wheel_next(&wheel) != ROUSE_NEVER - 1) return false;
    if (rs_wheel_pop(&wheel, ROUSE_NEVER - 1) != &entries[1]) return false;
    if (rs_wheel_pop(&wheel, ROUSE_NEVER - 1) != NULL) return false;
    return rs_wheel_pop(&wheel, ROUSE_NEVER) == &entries[2];
}

// A million jumps of some days: would take centuries slot by slot.
static bool a_jump_costs_the_same_however_far(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry entry = {0};
    struct rouse_timer_entry far = {0};
    const uint64_t jump = UINT64_C(1) << 43;
    uint64_t now = 0;

    rs_wheel_init(&wheel, 0);
    rs_wheel_insert(&wheel, &far, ROUSE_NEVER - 1);
    for (int i = 0; i < 1000000; i++) {
        now += jump;
        rs_wheel_insert(&wheel, &entry, now - 1);
        if (rs_wheel_pop(&wheel, now) != &entry || rs_wheel_pop(&wheel, now) != NULL) return false;
    }
    return rs_wheel_count(&wheel) == 1;
}

// After the removal of the nearest of two entries in one slot.
static bool a_stale_bound_costs_one_needless_turn(void)
{
    struct rs_wheel wheel;
    struct rouse_timer_entry near = {0};
    struct rouse_timer_entry far = {0};
    const uint64_t base = UINT64_C(1) << 30;

    rs_wheel_init(&wheel, 0);
    rs_wheel_insert(&wheel, &near, base + 1);
    rs_wheel_insert(&wheel, &far, base + 100000);
    rs_wheel_remove(&wheel, &near);
    if (rs_wheel_next(&wheel) != base + 1) return false;
    return rs_wheel_pop(&wheel, base + 1) == NULL && rs_wheel_next(&wheel) == base + 100000;
}

static bool take_any_empties_the_wheel(void)
{
    uint64_t random = 99;

    wheel_model_init(&model, 7);
    for (size_t i = 0; i < WHEEL_MODEL_ENTRIES; i++) {
        if (!wheel_model_insert(&model, i, random_deadline(&random, 7))) return false;
    }
    for (size_t i = 0; i < WHEEL_MODEL_ENTRIES; i++) {
        if (model.count == 0 || !wheel_model_take_any(&model)) return false;
    }
    return rs_wheel_take_any(&model.wheel) == NULL && wheel_is_sound(&model.wheel);
}

// As many entries as a busy server has, each in place, popped in turns of 100 us.
static bool a_crowd_fires_in_order(void)
{
    enum { CROWD = 100000 };
    struct rouse_timer_entry *entries = calloc(CROWD, sizeof *entries);
    struct rs_wheel wheel;
    uint64_t random = 5;
    uint64_t last = 0;
    size_t fired = 0;
    bool good = entries != NULL;

    rs_wheel_init(&wheel, 0);
    for (size_t i = 0; good && i < CROWD; i++) {
        rs_wheel_insert(&wheel, &entries[i], claim_random(&random) % ROUSE_NS_PER_S);
    }
    for (uint64_t now = 0; good && now <= ROUSE_NS_PER_S; now += ROUSE_NS_PER_S / 10000) {
        struct rouse_timer_entry *entry;

        while (good && (entry = rs_wheel_pop(&wheel, now)) != NULL) {
            good = entry->filed_ns <= now && entry->filed_ns >= last;
            last = entry->filed_ns;
            fired++;
        }
    }
    good = good && fired == CROWD;
    free(entries);
    return good;
}

// Where a crowded slot is emptied is not to be seen, but for when that is done.
static bool a_crowded_slot_is_emptied_ahead(void)
{
    enum { CROWD = 40, SLOT_NS = 4096 };  // a slot of level 2
    const uint64_t begin = 7 * SLOT_NS;
    struct rouse_timer_entry *popped;
    bool good;

    wheel_model_init(&model, 5);
    model.wheel.ahead_min = CROWD;
    good = wheel_model_insert(&model, 0, begin + 900);
    for (size_t i = 1; good && i < CROWD - 1; i++) {
        good = wheel_model_insert(&model, i, begin + 900 + i % 5);
    }
    good = good && rs_wheel_prepare_at(&model.wheel) == ROUSE_NEVER;
    good = good && wheel_model_insert(&model, CROWD - 1, begin + 901);
    good = good && rs_wheel_prepare_at(&model.wheel) == begin - SLOT_NS;
    // Too early: nothing is moved.
    good = good && wheel_model_prepare(&model, 10, false) && model.wheel.ahead == 0;
    good = good && wheel_model_pop(&model, begin - SLOT_NS, &popped) && popped == NULL;
    for (int moved = 0; good && moved < CROWD; moved += 10) {
        good = wheel_model_prepare(&model, 10, false) && wheel_is_sound(&model.wheel) &&
               rs_wheel_prepare_at(&model.wheel) == (moved < CROWD - 10 ? 0 : begin);
    }
    // Filed behind its equals, which have left the slot.
    good = good && wheel_model_insert(&model, CROWD, begin + 900);
    good = good && wheel_model_remove(&model, 3) && wheel_is_sound(&model.wheel);
    good = good && wheel_model_pop(&model, begin + 899, &popped) && popped == NULL;
    good = good && model.wheel.ahead == 0 && wheel_is_sound(&model.wheel);
    return good && drain_by_next(begin + 900);
}

// Also a busy caller moves them at last, in good time.
static bool a_crowded_slot_is_emptied_late_if_there_is_other_work(void)
{
    enum { CROWD = 40, SLOT_NS = 1 << 18 };  // a slot of level 3
    const uint64_t begin = 7 * SLOT_NS;
    const uint64_t takes_ns = (uint64_t)CROWD * RS_WHEEL_MOVE_NS;
    struct rouse_timer_entry *popped;
    bool good = true;

    wheel_model_init(&model, 5);
    model.wheel.ahead_min = CROWD;
    for (size_t i = 0; good && i < CROWD; i++) good = wheel_model_insert(&model, i, begin + 9000);
    good = good && rs_wheel_prepare_at(&model.wheel) == begin - RS_WHEEL_LEAD * takes_ns;
    good = good && wheel_model_pop(&model, begin - RS_WHEEL_LEAD_BUSY * takes_ns - 1, &popped);
    good = good && wheel_model_prepare(&model, 10, true) && model.wheel.ahead == 0;
    good = good && wheel_model_pop(&model, begin - RS_WHEEL_LEAD_BUSY * takes_ns, &popped);
    good = good && wheel_model_prepare(&model, 10, true) && model.wheel.ahead != 0;
    // There is time again: for who is busy, and for nobody else.
    good = good && wheel_model_prepare(&model, 10, true) && wheel_is_sound(&model.wheel);
    good = good && model.wheel.slots[model.wheel.ahead - 1].count == CROWD - 10;
    good = good && wheel_model_prepare(&model, 10, false) && wheel_is_sound(&model.wheel);
    good = good && model.wheel.slots[model.wheel.ahead - 1].count == CROWD - 20;
    return good && drain_by_next(begin + 9000);
}

int main(void)
{
    claim(never_early_never_late(), "an entry is popped at its nanosecond, not one before");
    claim(equal_deadlines_keep_their_order(), "equal deadlines pop in order of insertion");
    claim(entries_may_go_while_others_expire(), "entries may be removed while others expire");
    claim(overdue_entries_come_first_in_order_of_insertion(),
          "overdue entries come first, in order of insertion");
    claim(the_end_of_time_works(), "deadlines at both ends of time work");
    claim(a_jump_costs_the_same_however_far(), "the clock jumps over years in one step");
    claim(a_stale_bound_costs_one_needless_turn(), "a bound left by a removal costs one turn");
    claim(take_any_empties_the_wheel(), "take_any unlinks every entry");
    claim(a_crowd_fires_in_order(), "100000 entries fire in order");
    claim(a_crowded_slot_is_emptied_ahead(), "a crowded slot is emptied ahead of its time");
    claim(a_crowded_slot_is_emptied_late_if_there_is_other_work(),
          "and late, if there is other work");
    claim(random_runs(0, true), "random steps agree with the model; next is never late");
    claim(random_runs(SEEDS, false), "without removals next is exact after every step");
    return claims_end();
}
