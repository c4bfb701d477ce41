// SPDX-License-Identifier: MIT
//
// A table without collisions: a path has one slot, and the last one to want it has it.
#include "targets.h"

void httpd_targets_deinit(struct httpd_targets *targets)
{
    for (size_t i = 0; i < HTTPD_TARGET_SLOTS; i++) {
        httpd_entry_unref(targets->slots[i].entry);
        targets->slots[i].entry = NULL;
    }
}

// Paths of one site differ at their ends. The bytes of a short one are put together in a register:
// a load of eight that have just been stored one by one waits for all the stores.
static struct httpd_target *slot_of(struct httpd_targets *targets, struct http_slice path)
{
    uint64_t tail = 0;

    if (path.size >= sizeof tail) {
        memcpy(&tail, path.data + path.size - sizeof tail, sizeof tail);
    } else {
        for (size_t i = 0; i < path.size; i++) tail = tail << 8 | (unsigned char)path.data[i];
    }
    tail = (tail ^ path.size) * 0x9e3779b97f4a7c15u;
    return &targets->slots[tail >> 58];
}
_Static_assert(HTTPD_TARGET_SLOTS == 1 << (64 - 58), "the highest bits choose the slot");

struct httpd_entry *httpd_targets_find(struct httpd_targets *targets, struct http_slice path,
                                       int64_t now_s)
{
    struct httpd_target *target = slot_of(targets, path);

    if (target->second != now_s || target->size != path.size || target->entry == NULL) return NULL;
    if (memcmp(target->path, path.data, path.size) != 0) return NULL;
    return httpd_entry_ref(target->entry);
}

void httpd_targets_remember(struct httpd_targets *targets, struct http_slice path,
                            struct httpd_entry *entry, int64_t now_s)
{
    struct httpd_target *target = slot_of(targets, path);

    if (path.size > sizeof target->path || entry->fd >= 0 || entry->checked_s != now_s) return;
    httpd_entry_ref(entry);
    httpd_entry_unref(target->entry);
    target->entry = entry;
    target->second = now_s;
    target->size = (uint32_t)path.size;
    memcpy(target->path, path.data, path.size);
}
