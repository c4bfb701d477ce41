// SPDX-License-Identifier: MIT
//
// An array for dumps that grows: whole pages from the system, as for the text, since a dump calls
// no allocator of the user's. Without memory it stays as it is.

#ifndef RS_INSIGHT_AREA_H
#define RS_INSIGHT_AREA_H

#include <stdbool.h>
#include <stddef.h>

struct rs_area {
    void *memory;  // zeroed where nothing was written
    size_t size;   // in bytes
};

// Room for `size` bytes, at the least. False without memory.
bool rs_area_reserve(struct rs_area *area, size_t size);

// A fresh one of `size` bytes, zeroed; the old one is given back. False without memory.
bool rs_area_renew(struct rs_area *area, size_t size);

void rs_area_free(struct rs_area *area);

#endif
