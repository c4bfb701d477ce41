// SPDX-License-Identifier: MIT
//
// Tasks that are alike, counted: of ten thousand that wait for the same thing at the same place,
// the first is described in full.

#ifndef RS_INSIGHT_GROUPS_H
#define RS_INSIGHT_GROUPS_H

#include "insight/area.h"
#include "insight/text.h"
#include "insight/view.h"

struct rs_group {
    uint64_t hash;  // 0: an empty place of the table
    uint64_t count;
    uint32_t longest_ms;  // that one of them has been as it is
    uint32_t shortest_ms;
    enum rs_view_state state;
    size_t order;  // which group it is, by when it was met
    // In the text of all groups: who, then what for and where.
    size_t who_at;
    size_t wait_at;
    size_t end_at;
};

// All zero, and the text initialized.
struct rs_groups {
    struct rs_area table;
    struct rs_area order;  // places in the table, in the order in which they were met
    size_t count;
    bool each_alone;    // every task is a group of its own
    uint64_t left_out;  // tasks for whose group there was no memory
    struct rs_text text;
};

// Counts a task. True if it is the first of its group, whose text the caller is to add now: who to
// `groups->text`, then rs_group_split(), then the rest, then rs_group_end().
bool rs_groups_add(struct rs_groups *groups, const struct rs_view *view, uint32_t now_ms,
                   struct rs_group **group);
void rs_group_split(struct rs_groups *groups, struct rs_group *group);
void rs_group_end(struct rs_groups *groups, struct rs_group *group);

// The group that was met as number `order`.
const struct rs_group *rs_groups_at(const struct rs_groups *groups, size_t order);

void rs_groups_deinit(struct rs_groups *groups);

#endif
