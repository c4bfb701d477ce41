// SPDX-License-Identifier: MIT
//
// Allocation through an allocator, counted.

#ifndef RS_BASE_ALLOC_H
#define RS_BASE_ALLOC_H

#include <rouse/allocator.h>

// For what is made here and now: the allocator of the runtime or executor whose worker this thread
// is, else the default one. What was made remembers it, since it may be freed anywhere.
const struct rouse_allocator *rs_allocator_current(void);

// Zeroed memory, or NULL.
void *rs_alloc(const struct rouse_allocator *allocator, size_t size);

// The same, but what is in it is undefined: for what is written before it is read.
void *rs_alloc_uncleared(const struct rouse_allocator *allocator, size_t size);

// Takes back what either gave for the same size; NULL is allowed.
void rs_free(const struct rouse_allocator *allocator, void *memory, size_t size);

// Pages for objects: what they point to counts as reachable for a leak checker.
void *rs_pages_alloc(const struct rouse_allocator *allocator, size_t size, size_t align);
void rs_pages_free(const struct rouse_allocator *allocator, void *pages, size_t size);

// Pages with holes in them, for stacks: no leak checker may read them.
void *rs_pages_reserve(const struct rouse_allocator *allocator, size_t size, size_t align);
void rs_pages_unreserve(const struct rouse_allocator *allocator, void *pages, size_t size);

#endif
