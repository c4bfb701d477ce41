// SPDX-License-Identifier: MIT
//
// A hash table of groups, with open addressing: see groups.h. A group is known by its hash alone,
// of 64 bits.

#include "insight/groups.h"

static size_t capacity_of(const struct rs_groups *groups)
{
    return groups->table.size / sizeof(struct rs_group);
}

// The group's place, or the empty one where it would be. There is an empty one.
static struct rs_group *place_of(const struct rs_groups *groups, uint64_t hash)
{
    struct rs_group *table = groups->table.memory;
    size_t capacity = capacity_of(groups);
    size_t i = hash % capacity;

    while (table[i].hash != 0 && table[i].hash != hash) i = i + 1 < capacity ? i + 1 : 0;
    return &table[i];
}

static void note_order(struct rs_groups *groups, const struct rs_group *group)
{
    size_t *order = groups->order.memory;

    order[group->order] = (size_t)(group - (const struct rs_group *)groups->table.memory);
}

// Room for one more group, at most three quarters full. False without memory.
static bool grow(struct rs_groups *groups)
{
    struct rs_groups larger = {.table = {0}, .order = groups->order};
    const struct rs_group *old = groups->table.memory;

    if (!rs_area_reserve(&groups->order, (groups->count + 1) * sizeof(size_t))) return false;
    if (groups->count < capacity_of(groups) / 4 * 3) return true;
    if (!rs_area_renew(&larger.table, 2 * groups->table.size)) return false;
    larger.order = groups->order;
    for (size_t i = 0; i < capacity_of(groups); i++) {
        if (old[i].hash == 0) continue;
        struct rs_group *to = place_of(&larger, old[i].hash);

        *to = old[i];
        note_order(&larger, to);
    }
    rs_area_free(&groups->table);
    groups->table = larger.table;
    return true;
}

static uint32_t waited_ms(const struct rs_view *view, uint32_t now_ms)
{
    uint32_t waited = now_ms - view->since_ms;

    // It may have been polled since the dump looked at the clock.
    return view->since_ms == 0 || waited > UINT32_MAX / 2 ? 0 : waited;
}

bool rs_groups_add(struct rs_groups *groups, const struct rs_view *view, uint32_t now_ms,
                   struct rs_group **out)
{
    uint64_t hash = groups->each_alone ? (uintptr_t)view->task | 1 : rs_view_hash(view) | 1;
    uint32_t waited = waited_ms(view, now_ms);

    if (!grow(groups)) {
        groups->left_out++;
        return false;
    }
    struct rs_group *group = place_of(groups, hash);
    bool is_new = group->hash == 0;

    if (is_new) {
        *group = (struct rs_group){.hash = hash,
                                   .shortest_ms = waited,
                                   .state = view->state,
                                   .order = groups->count++,
                                   .who_at = groups->text.used};
        note_order(groups, group);
    }
    group->count++;
    if (waited > group->longest_ms) group->longest_ms = waited;
    if (waited < group->shortest_ms) group->shortest_ms = waited;
    *out = group;
    return is_new;
}

void rs_group_split(struct rs_groups *groups, struct rs_group *group)
{
    group->wait_at = groups->text.used;
}

void rs_group_end(struct rs_groups *groups, struct rs_group *group)
{
    group->end_at = groups->text.used;
}

const struct rs_group *rs_groups_at(const struct rs_groups *groups, size_t order)
{
    const size_t *places = groups->order.memory;

    return (const struct rs_group *)groups->table.memory + places[order];
}

void rs_groups_deinit(struct rs_groups *groups)
{
    rs_area_free(&groups->table);
    rs_area_free(&groups->order);
    rs_text_deinit(&groups->text);
}
