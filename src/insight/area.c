// SPDX-License-Identifier: MIT
//
// Growing by doubling: see area.h.

#include "insight/area.h"

#include <rouse/allocator.h>
#include <string.h>

#include "base/alloc.h"

enum { AREA_FIRST = 64 << 10, PAGE = 4096 };

static size_t rounded(size_t wanted)
{
    size_t size = AREA_FIRST;

    while (size < wanted) size *= 2;
    return size;
}

void rs_area_free(struct rs_area *area)
{
    if (area->memory != NULL) {
        rs_pages_unreserve(rouse_allocator_default(), area->memory, area->size);
    }
    *area = (struct rs_area){0};
}

bool rs_area_renew(struct rs_area *area, size_t wanted)
{
    struct rs_area fresh = {.size = rounded(wanted)};

    fresh.memory = rs_pages_reserve(rouse_allocator_default(), fresh.size, PAGE);
    if (fresh.memory == NULL) return false;
    rs_area_free(area);
    *area = fresh;
    return true;
}

bool rs_area_reserve(struct rs_area *area, size_t wanted)
{
    struct rs_area old = *area;

    if (wanted <= old.size) return true;
    *area = (struct rs_area){0};
    if (!rs_area_renew(area, wanted)) {
        *area = old;
        return false;
    }
    if (old.size > 0) memcpy(area->memory, old.memory, old.size);
    rs_area_free(&old);
    return true;
}
